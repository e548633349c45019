import keras
import numpy as np
import pytest
from keras import layers

from pipelines.errors import ModelError
from pipelines.models.weights import bring_weights
from tests.pipelines.models.tiny import section


def network(include_top, weights=None, input_tensor=None, filters=3):
    """A network as `keras.applications` makes them, with a layer that normalises colours."""
    start = layers.Input((8, 8, 3)) if input_tensor is None else input_tensor
    flow = layers.Conv2D(filters, 3, name="convolution")(layers.Normalization(name="colours")(start))
    flow = layers.BatchNormalization(name="normalised")(flow)
    if include_top:
        flow = layers.Dense(5, name="predictions")(layers.GlobalAveragePooling2D()(flow))
    model = keras.Model(start, flow)
    if weights == "imagenet":
        trained(model)
    return model


def trained(model):
    for number, weight in enumerate(weight for weight in model.weights if weight.dtype == "float32"):
        weight.assign(np.full(weight.shape, 2.0 + number))
    return model


@pytest.fixture
def empty():
    """The network as `transfer` has it, without that layer."""
    start = layers.Input((8, 8, 3))
    flow = layers.Conv2D(3, 3, name="convolution")(start)
    return keras.Model(start, layers.BatchNormalization(name="normalised")(flow))


def values(model):
    return [weight.numpy().copy() for name in ("convolution", "normalised") for weight in model.get_layer(name).weights]


def is_filled(model):
    expected = values(trained(network(include_top=False)))
    return all(np.array_equal(one, other) for one, other in zip(values(model), expected, strict=True))


def recipe(weights, name="densenet121"):
    return section(name, weights=None if weights is None else str(weights))


def test_random_weights_are_said_aloud(empty, capsys):
    before = values(empty)
    bring_weights(recipe(None), network, empty)
    assert "densenet121 begins with random weights, because model.weights is null" in capsys.readouterr().out
    assert all(np.array_equal(one, other) for one, other in zip(before, values(empty), strict=True))


def test_weights_of_keras_are_copied_in_silence(empty, capsys):
    bring_weights(recipe("imagenet"), network, empty)
    assert is_filled(empty)
    assert not capsys.readouterr().out


def test_weights_that_cannot_be_downloaded_end_in_the_ways_out(empty):
    def unreachable(**told):
        raise Exception("URL fetch failure on https://somewhere: None -- Name or service not known\nmore")

    with pytest.raises(
        ModelError, match=r"densenet121 could not be downloaded \(URL .* not known\)\. Name a file"
    ) as told:
        bring_weights(recipe("imagenet"), unreachable, empty)
    assert "\n" not in str(told.value)
    for way_out in ("model.weights", "efficientnet-lite0", "weights: null"):
        assert way_out in str(told.value)


@pytest.mark.parametrize("include_top", [False, True])
@pytest.mark.parametrize("ending", [".weights.h5", ".keras", ".h5"])
def test_a_file_of_keras_is_taken_with_and_without_its_top(empty, tmp_path, ending, include_top):
    source, file = trained(network(include_top)), tmp_path / f"net{ending}"
    if ending == ".weights.h5":
        source.save_weights(file)
    elif ending == ".keras":
        source.save(file)
    else:
        keras.src.legacy.saving.legacy_h5_format.save_model_to_hdf5(source, file)
    bring_weights(recipe(file), network, empty)
    assert is_filled(empty)


def test_a_file_that_lacks_a_layer_does_not_leave_its_random_weights(empty, tmp_path):
    start = layers.Input((8, 8, 3))
    part = keras.Model(start, layers.Conv2D(3, 3, name="convolution")(layers.Normalization(name="colours")(start)))
    part.save_weights(tmp_path / "part.weights.h5")
    with pytest.raises(ModelError, match=r"part\.weights\.h5 does not fit densenet121"):
        bring_weights(recipe(tmp_path / "part.weights.h5"), network, empty)


@pytest.mark.parametrize("ending", [".weights.h5", ".keras"])
def test_a_file_of_another_network_is_refused(empty, tmp_path, ending):
    other, file = network(include_top=False, filters=4), tmp_path / f"net{ending}"
    other.save(file) if ending == ".keras" else other.save_weights(file)
    with pytest.raises(ModelError, match=rf"net{ending} does not fit densenet121"):
        bring_weights(recipe(file), network, empty)


@pytest.mark.parametrize("ending", [".weights.h5", ".keras", ".h5"])
def test_a_damaged_file_is_refused(empty, tmp_path, ending):
    (tmp_path / f"net{ending}").write_bytes(b"no weights at all")
    with pytest.raises(ModelError, match=rf"net{ending} (does not fit densenet121|cannot be read as a Keras model)"):
        bring_weights(recipe(tmp_path / f"net{ending}"), network, empty)


def test_a_missing_file_is_named(empty, tmp_path):
    with pytest.raises(ModelError, match=r"model.weights names .*nowhere\.h5, and there is no such file"):
        bring_weights(recipe(tmp_path / "nowhere.h5"), network, empty)


@pytest.mark.parametrize(("name", "ending"), [("densenet121", ".pth"), ("efficientnet-lite0", ".bin")])
def test_a_file_of_an_unknown_kind_is_refused(empty, tmp_path, name, ending):
    (tmp_path / f"net{ending}").write_bytes(b"")
    with pytest.raises(ModelError, match=rf"Expected for {name} a file that ends in one of: \.weights\.h5"):
        bring_weights(recipe(tmp_path / f"net{ending}", name), network, empty)
