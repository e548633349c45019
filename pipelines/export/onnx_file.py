"""The model file that every kind of model is written to, and the proof that it says what the model says."""

import copy
from pathlib import Path

import numpy as np
import onnx

from pipelines.errors import ModelError
from pipelines.inference import OUTPUTS, Graph

LARGEST_DIFFERENCE = 1e-4


def name_in_order(path: Path) -> None:
    """Order nodes by what they make, and name them and tensors by their place: the same model gives the same bytes.

    The names that converters choose, and the order of nodes and weights, change from run to run.
    """
    written = onnx.load(path)
    _sort(written.graph)
    _rename(written.graph)
    onnx.save(written, path)


def rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    """Give a tensor another name wherever nodes of the graph read or write it."""
    for node in graph.node:
        for tensors in (node.input, node.output):
            tensors[:] = [new if tensor == old else tensor for tensor in tensors]


def note_in(path: Path, key: str, text: str) -> None:
    """Note something in the metadata of a model file, which changes its hash and nothing that it says."""
    written = onnx.load(path)
    onnx.helper.set_model_props(written, {key: text})
    onnx.save(written, path)


def parity(meant: dict[str, np.ndarray], path: Path, images: np.ndarray) -> dict[str, float]:
    """Largest difference between a model's outputs and those of its file, by output.

    Differences of heatmaps and distances are shares of the largest value, those of probabilities are absolute.

    Args:
        meant: what the model says of the images, by the names of the outputs.
        images: (n, height, width, channels) uint8.
    Raises:
        ModelError: the file says something else than the model.
    """
    written = vars(Graph(path).answer(images))
    differences = {name: _difference(name, meant[name], written[name]) for name in OUTPUTS}
    worst = max(differences, key=lambda name: differences[name])
    if not differences[worst] <= LARGEST_DIFFERENCE:
        raise ModelError(
            f"The exported {worst} differs from the model's by {differences[worst]:.2g}, expected at most "
            f"{LARGEST_DIFFERENCE:g}. Nothing was written: report this architecture."
        )
    return differences


def _sort(graph: onnx.GraphProto) -> None:
    """Put each node behind those that make its inputs, beginning with what the first output needs."""
    makes = {tensor: number for number, node in enumerate(graph.node) for tensor in node.output}
    order: dict[int, onnx.NodeProto] = {}
    todo = [makes[value.name] for value in reversed(graph.output) if value.name in makes]
    while todo:
        node = graph.node[todo[-1]]
        first = [makes[name] for name in reversed(node.input) if name in makes and makes[name] not in order]
        if not first:
            order.setdefault(todo.pop(), node)
        todo += first
    nodes = [copy.deepcopy(node) for node in order.values()]
    del graph.node[:]
    graph.node.extend(nodes)


def _rename(graph: onnx.GraphProto) -> None:
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
