"""Where the weights of a network that was trained before come from: Keras, a package, or a file. Never from nowhere."""

import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from pipelines.errors import ModelError
from pipelines.models.lite0 import packaged_weights, take_state_dict
from pipelines.recipe_models import Transfer

LITE0 = "efficientnet-lite0"
STATE_DICTS = (".pth", ".pt")
# What Keras raises for a file that does not fit.
FAULTS = (OSError, ValueError, TypeError, KeyError, zipfile.BadZipFile)


def bring_weights(model: Transfer, make: Callable[..., keras.Model], network: keras.Model) -> None:
    """Fill a network, which ends in its last feature map, with the weights that the recipe asks for.

    Args:
        model: `weights` is `imagenet`, the path of a file, or None, which leaves the random weights and says so.
        make: the network's function, as in `keras.applications`.
        network: to be filled.
    Raises:
        ModelError: the weights cannot be had, or belong to another network.
    """
    if model.weights is None:
        print(f"{model.name} begins with random weights, because model.weights is null", flush=True)
    elif model.weights == "imagenet":
        _bring_imagenet(model, make, network)
    else:
        _bring_file(model, make, network, Path(model.weights))


def _bring_imagenet(model: Transfer, make: Callable[..., keras.Model], network: keras.Model) -> None:
    if model.name == LITE0:
        take_state_dict(network, packaged_weights())
        return
    try:
        source = make(include_top=False, weights="imagenet")
    except Exception as error:  # Keras raises plain ones, too, when a download fails
        raise ModelError(
            f"The ImageNet weights of {model.name} could not be downloaded ({_first_line(error)}). Name a file in "
            f"model.weights, take {LITE0}, whose weights come with a package, or write weights: null "
            "to train from nothing."
        ) from error
    _copy(source, network, "The download", model)


def _bring_file(model: Transfer, make: Callable[..., keras.Model], network: keras.Model, file: Path) -> None:
    if not file.is_file():
        raise ModelError(
            f"model.weights names {file}, and there is no such file. "
            "Expected `imagenet`, a file, or null to train from nothing."
        )
    if file.suffix == ".keras":
        _copy(_whole(model, file), network, str(file), model)
    elif file.suffix == ".h5":
        _copy(_filled(model, make, file), network, str(file), model)
    elif model.name == LITE0 and file.suffix in STATE_DICTS:
        take_state_dict(network, file)
    else:
        kinds = f".weights.h5, .h5, .keras{', .pth, .pt' if model.name == LITE0 else ''}"
        raise ModelError(f"model.weights names {file}. Expected for {model.name} a file that ends in one of: {kinds}.")


def _whole(model: Transfer, file: Path) -> keras.Model:
    """A whole model that Keras saved, such as the model.keras of another training."""
    try:
        return _load(keras.saving.load_model(file, compile=False), file)
    except FAULTS as error:
        raise ModelError(
            f"{file} cannot be read as a Keras model ({_first_line(error)}). "
            f"Expected a saved {model.name}: correct model.weights."
        ) from error


def _filled(model: Transfer, make: Callable[..., keras.Model], file: Path) -> keras.Model:
    """The network with the weights of a file that was written without or with its top."""
    for include_top in (False, True):
        try:
            return _load(make(include_top=include_top, weights=None), file)
        except FAULTS as error:
            fault = error
    raise ModelError(
        f"{file} does not fit {model.name} ({_first_line(fault)}). "
        f"Expected the weights of Keras' own {model.name}, with or without its top: correct model.weights."
    ) from fault


def _load(source: keras.Model, file: Path) -> keras.Model:
    """Load a file's weights; what the file lacks is no number afterwards, where Keras might leave random ones."""
    for variable in source.weights:
        if "float" in variable.dtype:
            variable.assign(np.full(variable.shape, np.nan))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of weights that the file lacks
        source.load_weights(file)
    return source


def _copy(source: keras.Model, network: keras.Model, origin: str, model: Transfer) -> None:
    """Copy by the names of layers."""
    known = {layer.name: layer for layer in source.layers}
    for layer in network.layers:
        if not layer.weights:
            continue
        found = known[layer.name].get_weights() if layer.name in known else []
        shapes = [values.shape for values in found if not np.isnan(values).any()]
        if shapes != [tuple(variable.shape) for variable in layer.weights]:
            raise ModelError(
                f"{origin} does not fit {model.name}: its layer {layer.name} is missing or has another shape. "
                f"Expected the weights of a {model.name}: correct model.weights."
            )
        layer.set_weights(found)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
