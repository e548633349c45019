"""Writing a trained model as ONNX, and proving that the file says what the model says."""

import warnings
from pathlib import Path

import keras
import numpy as np
import onnx

from pipelines.errors import ModelError
from pipelines.inference import OUTPUTS, Graph

LARGEST_DIFFERENCE = 1e-4


def export(model: keras.Model, path: Path) -> None:
    """Write an inference model as ONNX; the same model gives the same bytes."""
    model(np.zeros((1, *model.input.shape[1:]), dtype=np.uint8))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the converter looks for aliases that NumPy 2 announces as gone
        model.export(path, format="onnx", verbose=False)
    written = onnx.load(path)
    _name_in_order(written.graph)
    onnx.save(written, path)


def parity(model: keras.Model, path: Path, images: np.ndarray) -> dict[str, float]:
    """Largest difference between the model and its file, by output.

    Differences of heatmaps and distances are shares of the largest value, those of probabilities are absolute.

    Args:
        images: (n, height, width, channels) uint8.
    Raises:
        ModelError: the file says something else than the model.
    """
    written = vars(Graph(path).answer(images))
    meant = {name: keras.ops.convert_to_numpy(value) for name, value in model(images).items()}
    differences = {name: _difference(name, meant[name], written[name]) for name in OUTPUTS}
    worst = max(differences, key=lambda name: differences[name])
    if not differences[worst] <= LARGEST_DIFFERENCE:
        raise ModelError(
            f"The exported {worst} differs from the model's by {differences[worst]:.2g}, expected at most "
            f"{LARGEST_DIFFERENCE:g}. Nothing was written: report this architecture."
        )
    return differences


def _name_in_order(graph: onnx.GraphProto) -> None:
    """Name nodes and tensors by their place; the converter's own names and order of weights change from run to run."""
    names = {value.name: value.name for value in (*graph.input, *graph.output)} | {"": ""}
    for place, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{place}"
        for tensors in (node.input, node.output):
            tensors[:] = [names.setdefault(tensor, f"tensor_{len(names)}") for tensor in tensors]
    weights = [weight for weight in graph.initializer if weight.name in names]
    for weight in weights:
        weight.name = names[weight.name]
    weights.sort(key=lambda weight: int(weight.name.removeprefix("tensor_")))
    graph.doc_string = ""
    del graph.initializer[:], graph.value_info[:]
    graph.initializer.extend(weights)
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "n"


def _difference(name: str, meant: np.ndarray, written: np.ndarray) -> float:
    scale = 1.0 if name == "probability" else max(float(np.abs(meant).max()), 1e-9)
    return float(np.abs(meant - written).max()) / scale
