"""Writing a trained Keras model as ONNX."""

import warnings
from pathlib import Path

import keras
import numpy as np
import onnx

from pipelines.export.normalisation import restore_normalisation
from pipelines.export.onnx_file import name_in_order, parity


def export(model: keras.Model, path: Path) -> None:
    """Write an inference model as ONNX; the same model gives the same bytes."""
    convert(model, path)
    written = onnx.load(path)
    restore_normalisation(written)
    onnx.save(written, path)
    name_in_order(path)


def convert(model: keras.Model, path: Path) -> None:
    """Write a model as Keras' own converter writes it."""
    model(np.zeros((1, *model.input.shape[1:]), dtype=np.uint8))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the converter looks for aliases that NumPy 2 announces as gone
        model.export(path, format="onnx", verbose=False)


def proven(model: keras.Model, path: Path, images: np.ndarray) -> dict[str, float]:
    """Largest difference between the model and its file, by output (see `parity`).

    Args:
        images: (n, height, width, channels) uint8.
    Raises:
        ModelError: the file says something else than the model.
    """
    meant = {name: keras.ops.convert_to_numpy(value) for name, value in model(images).items()}
    return parity(meant, path, images)
