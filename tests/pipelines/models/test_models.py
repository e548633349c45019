import keras
import numpy as np
import pytest

from pipelines.errors import ModelError
from pipelines.export.explain import head_layers, inference_model
from pipelines.export.familiarity import FeatureStatistics
from pipelines.export.keras_export import export, proven
from pipelines.models import BUILDERS
from tests.pipelines.models.tiny import (
    LARGE,
    SMALL,
    both_ways,
    built,
    described,
    grad_cam_by_automatic_differentiation,
    image_of,
    known,
    pictures,
    section,
    with_drawn_statistics,
)


def small_and(*large):
    """All small networks, and some large ones that take longer."""
    return [*SMALL, *(pytest.param(name, marks=pytest.mark.slow) for name in large)]


def inference(model):
    channels = model.get_layer("features").output.shape[-1]
    statistics = FeatureStatistics(np.zeros(channels, "float32"), np.eye(channels, dtype="float32") / channels**0.5)
    return inference_model(model, statistics, 1)


def test_every_network_is_tried_here():
    assert set(BUILDERS) == {*SMALL, *LARGE}


@pytest.mark.parametrize("name", BUILDERS)
def test_every_network_is_one_flat_graph_from_grey_levels_to_probabilities(name):
    model = described(name, classes=3)
    assert not any(isinstance(layer, keras.Model) for layer in model.layers)
    assert model.input.name == "image"
    assert model.input.dtype == "float32"
    assert model.name == name.replace("-", "_")
    assert model.layers[-1].name == "probability"
    assert model.output.shape == (None, 3)
    assert head_layers(model)[-1].name == "logit"
    assert not any(layer.groups > 1 for layer in model.layers if type(layer) is keras.layers.Conv2D)


@pytest.mark.parametrize("name", BUILDERS)
def test_two_classes_have_one_output_and_a_map_of_several_cells(name):
    model = known(name)
    assert model.output.shape == (None, 1)
    assert model.layers[-1].activation is keras.activations.sigmoid
    assert min(model.get_layer("features").output.shape[1:3]) >= 2


@pytest.mark.parametrize("name", ["small-cnn", "alexnet", "efficientnet-lite0"])
def test_the_probability_stays_float32_where_layers_are_not(name):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = described(name)
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.output.dtype == "float32"
    assert model.get_layer("features").output.dtype == "bfloat16"


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("name", small_and(*LARGE))
def test_the_heatmap_of_every_network_is_grad_cam(name, classes):
    keras.utils.set_random_seed(2)
    model = with_drawn_statistics(built(name, classes=classes))
    images, peaks = pictures(model), []
    for turned in both_ways(model):
        heat = keras.ops.convert_to_numpy(inference(turned)(images)["heatmap"])
        expected = grad_cam_by_automatic_differentiation(turned, images)
        peaks.append(expected.max())
        assert np.abs(heat - expected).max() <= 1e-4 * peaks[-1]
    assert max(peaks) > 0


@pytest.mark.parametrize("name", small_and(*LARGE))
def test_the_file_of_every_network_says_what_the_network_says(name, tmp_path):
    keras.utils.set_random_seed(2)
    whole = inference(with_drawn_statistics(built(name, classes=3)))
    export(whole, tmp_path / "model.onnx")
    differences = proven(whole, tmp_path / "model.onnx", pictures(whole))
    assert differences["probability"] < 1e-5
    assert max(differences.values()) < 1e-4


@pytest.mark.parametrize("name", small_and("resnet50"))
def test_every_network_can_be_saved_and_loaded(name, tmp_path):
    model = with_drawn_statistics(built(name))
    model.save(tmp_path / "model.keras")
    images = pictures(model).astype("float32")
    again = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    assert np.array_equal(again.predict_on_batch(images), model.predict_on_batch(images))


def test_the_kernel_of_a_flattened_map_stands_in_the_file_once(tmp_path):
    model = built("custom-cnn", dense=200)
    export(inference(model), tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").stat().st_size < 1.3 * 4 * model.count_params()


@pytest.mark.parametrize(
    ("name", "side", "least"),
    [
        ("small-cnn", 1, 2),
        ("mnist-cnn", 9, 10),
        ("cifar-cnn", 3, 4),
        ("custom-cnn", 9, 10),
        ("lenet-5", 11, 12),
        ("alexnet", 4, 5),
        ("vgg16", 1, 2),
        ("resnet50", 31, 32),
    ],
)
def test_an_image_that_is_too_small_is_told_of_and_the_least_one_is_not(name, side, least):
    with pytest.raises(ModelError, match=rf"{name} got images of {side} x {side} pixels. Expected at least {least} "):
        BUILDERS[name](section(name), image_of(side), None)
    assert described(name, side=least).output.shape == (None, 1)
