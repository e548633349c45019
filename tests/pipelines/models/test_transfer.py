import keras
import numpy as np
import pytest
from keras import applications

from pipelines.export.explain import head_layers
from pipelines.models.classic import BATCH_NORM_MOMENTUM
from pipelines.models.head import picture
from pipelines.models.transfer import BACKBONES, IMAGENET_DEVIATION, IMAGENET_MEAN, shown
from tests.pipelines.models.tiny import TRANSFER, built, known, pictures, with_drawn_statistics

COLOURS = 7  # numbers in EfficientNetB0 that normalise colours and are no weights here
PUBLISHED = {"densenet121": 8_062_504, "resnet50": 25_636_712, "efficientnet-b0": 5_330_571 - COLOURS}
MAKERS = {
    "densenet121": applications.DenseNet121,
    "resnet50": applications.ResNet50,
    "efficientnet-b0": applications.EfficientNetB0,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_up_to_the_last_map_there_are_as_many_parameters_as_published(name):
    model = known(name, side=224, channels=3)
    head = sum(layer.count_params() for layer in head_layers(model))
    channels = model.get_layer("features").output.shape[-1]
    assert model.count_params() - head == PUBLISHED[name] - (channels + 1) * 1000


@pytest.mark.parametrize("name", TRANSFER)
def test_the_head_is_pooling_dropout_dense_dropout(name):
    model = known(name)
    _, before, dense, behind, _ = head = head_layers(model)
    assert [type(layer).__name__ for layer in head] == [
        "GlobalAveragePooling2D",
        "Dropout",
        "Dense",
        "Dropout",
        "Dense",
    ]
    assert (before.rate, dense.units, behind.rate) == (0.5, 16, 0.3)
    assert dense.activation is keras.activations.relu


@pytest.mark.parametrize("name", TRANSFER)
def test_at_224_pixels_the_last_map_has_seven_cells_a_side(name):
    assert known(name, side=224, channels=3).get_layer("features").output.shape[1:3] == (7, 7)


@pytest.mark.parametrize("name", TRANSFER)
def test_all_normalisation_soon_knows_the_statistics_of_a_small_set(name):
    found = {layer.momentum for layer in known(name).layers if isinstance(layer, keras.layers.BatchNormalization)}
    assert found == {BATCH_NORM_MOMENTUM}


@pytest.mark.parametrize("name", TRANSFER)
def test_no_convolution_of_one_cell_takes_steps(name):
    """TensorFlow's gradient of one overruns its memory on processors."""
    convolutions = [layer for layer in known(name).layers if type(layer) is keras.layers.Conv2D]
    assert not [layer.name for layer in convolutions if layer.kernel_size == (1, 1) and layer.strides != (1, 1)]


def expected_colours(name, rgb):
    if name == "densenet121":
        return applications.densenet.preprocess_input(rgb.copy())
    if name == "resnet50":
        return applications.resnet.preprocess_input(rgb.copy())
    if name == "efficientnet-lite0":
        return (rgb - 127) / 128
    # EfficientNetB0 divides by 255 itself, and Keras once more by the root of the deviation
    return 255 * (rgb / 255 - IMAGENET_MEAN) / IMAGENET_DEVIATION / np.sqrt(IMAGENET_DEVIATION)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", TRANSFER)
def test_a_network_is_shown_the_colours_of_its_first_training(name, channels, rng):
    images = rng.integers(0, 256, (2, 9, 9, channels)).astype(np.float32)
    start = picture((9, 9, channels))
    found = keras.Model(start, shown(start, BACKBONES[name])).predict_on_batch(images)
    expected = expected_colours(name, np.repeat(images, 3 // channels, axis=-1))
    assert np.allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


@pytest.mark.slow
@pytest.mark.parametrize("name", MAKERS)
def test_with_the_weights_that_keras_downloads_the_last_map_is_that_of_keras(name, tmp_path, monkeypatch):
    """The download is a drawn file of the published form; Keras' own network takes what its own preparation gives."""
    drawn = with_drawn_statistics(MAKERS[name](include_top=False, weights=None, input_shape=(64, 64, 3)))
    for layer in drawn.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.adapt_mean.assign(IMAGENET_MEAN)
            layer.adapt_variance.assign(IMAGENET_DEVIATION**2)
    file = tmp_path / "net.h5"
    keras.src.legacy.saving.legacy_h5_format.save_model_to_hdf5(drawn, file)
    monkeypatch.setattr(keras.src.utils.file_utils, "get_file", lambda *told, **more: str(file))
    original = MAKERS[name](include_top=False, weights="imagenet", input_shape=(64, 64, 3))
    ours = built(name, weights="imagenet")
    images = pictures(ours, 2).astype(np.float32)
    rgb = np.repeat(images, 3, axis=-1)
    prepared = rgb if name == "efficientnet-b0" else expected_colours(name, rgb)
    found = keras.Model(ours.input, ours.get_layer("features").output).predict_on_batch(images)
    expected = original.predict_on_batch(prepared)
    assert np.abs(expected).max() > 0
    assert np.allclose(found, expected, atol=1e-4 * np.abs(expected).max())
