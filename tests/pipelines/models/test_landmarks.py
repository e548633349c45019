import pytest

from tests.pipelines.models.tiny import described


@pytest.mark.parametrize(
    ("name", "side", "channels", "classes", "published"),
    [
        ("lenet-5", 32, 1, 10, 61_706),
        ("lenet-5", 28, 1, 10, 61_706),
        ("alexnet", 227, 3, 1000, 60_965_224),
        ("vgg16", 224, 3, 1000, 138_357_544),
        ("vgg19", 224, 3, 1000, 143_667_240),
    ],
)
def test_the_number_of_parameters_is_the_published_one(name, side, channels, classes, published):
    sizes = {} if name == "lenet-5" else {"dense": 4096}
    assert described(name, side=side, channels=channels, classes=classes, **sizes).count_params() == published


@pytest.mark.parametrize(
    ("name", "side", "cells"),
    [
        ("lenet-5", 28, 10),
        ("lenet-5", 32, 10),
        ("alexnet", 28, 6),
        ("alexnet", 64, 15),
        ("alexnet", 96, 4),
        ("alexnet", 224, 12),
        ("alexnet", 227, 13),
        ("vgg16", 28, 3),
        ("vgg16", 32, 2),
        ("vgg16", 64, 4),
        ("vgg19", 96, 6),
        ("vgg19", 224, 14),
    ],
)
def test_the_heatmap_rests_on_the_last_convolution_at_every_size(name, side, cells):
    model = described(name, side=side)
    features = model.get_layer("features")
    assert features.output.shape[1:3] == (cells, cells)
    before = features.input._keras_history.operation
    assert type(before).__name__ == ("Concatenate" if name == "alexnet" else "Conv2D")


@pytest.mark.parametrize("name", ["vgg16", "vgg19"])
def test_vgg_has_as_many_layers_with_weights_as_its_name_says(name):
    model = described(name)
    assert sum(bool(layer.weights) for layer in model.layers) == int(name.removeprefix("vgg"))


def test_the_towers_of_alexnet_meet_where_the_paper_lets_them():
    model = described("alexnet", side=227, channels=3)
    seen = {
        layer.name: layer.input.shape[-1]
        for layer in model.layers
        if layer.name.startswith("conv") and type(layer).__name__ == "Conv2D"
    }
    assert seen == {
        **{f"conv1{side}": 3 for side in "ab"},
        **{f"conv2{side}": 48 for side in "ab"},
        **{f"conv3{side}": 256 for side in "ab"},
        **{f"conv4{side}": 192 for side in "ab"},
        **{f"conv5{side}": 192 for side in "ab"},
    }


def test_lenet_shows_ink_and_paper_as_its_paper_does():
    rescaling = described("lenet-5").layers[1]
    assert rescaling.offset == pytest.approx(-0.1)
    assert 255 * rescaling.scale + rescaling.offset == pytest.approx(1.175)
