"""Batch normalisation as one node of the model file, where the converter wrote it as a product and a sum.

Both say the same. But ONNX Runtime keeps feature maps in blocks of channels from convolution to convolution, and takes
batch normalisation with the rectifier behind it along in this order; for a product and a sum it turns each map back and
forth. Behind a convolution nothing changes, as its weights take up either. Where normalisation comes first, as in each
layer of DenseNet (Huang et al. 2017, arXiv 1608.06993), the file becomes faster: `benchmarks/normalisation.py`.
"""

from collections import Counter

import numpy as np
import onnx
from onnx import helper, numpy_helper

Constants = dict[str, np.ndarray]


def restore_normalisation(model: onnx.ModelProto) -> None:
    """Make one batch normalisation of each product with, then sum with, a constant for each channel, in place.

    A product that anything else reads as well stays as it is.

    Args:
        model: maps are (n, channels, rows, columns).
    """
    graph = model.graph
    constants = {weight.name: numpy_helper.to_array(weight) for weight in graph.initializer}
    readers = Counter(name for node in graph.node for name in node.input)
    readers.update(value.name for value in graph.output)
    products = {
        node.output[0]: (node.input[0], scale)
        for node in graph.node
        if node.op_type == "Mul" and readers[node.output[0]] == 1
        if (scale := _each_channel(node, constants)) is not None
    }
    joined: dict[str, onnx.NodeProto | None] = {}
    for node in graph.node:
        if node.op_type != "Add" or node.input[0] not in products:
            continue
        source, scale = products[node.input[0]]
        shift = _each_channel(node, constants)
        if shift is not None and scale.shape == shift.shape:
            joined |= {node.input[0]: None, node.output[0]: _normalisation(graph, source, scale, shift, node.output[0])}
    kept = [joined.get(node.output[0], node) for node in graph.node]
    del graph.node[:]
    graph.node.extend(node for node in kept if node is not None)


def _each_channel(node: onnx.NodeProto, constants: Constants) -> np.ndarray | None:
    """The second operand, where it is a constant (1, channels, 1, 1): (channels,)."""
    value = constants.get(node.input[1])
    if value is None or value.ndim != 4 or value.size != value.shape[1] or value.size == 1:
        return None  # one number may stand for any number of channels
    return value.reshape(-1)


def _normalisation(
    graph: onnx.GraphProto, source: str, scale: np.ndarray, shift: np.ndarray, output: str
) -> onnx.NodeProto:
    """With mean 0, variance 1 and nothing added to it, so that scale and shift are used exactly as they are."""
    known = {weight.name for weight in graph.initializer}
    channels = len(scale)
    values = {
        f"{output}_scale": scale,
        f"{output}_shift": shift,
        f"mean_of_{channels}": np.zeros(channels, scale.dtype),
        f"variance_of_{channels}": np.ones(channels, scale.dtype),
    }
    graph.initializer.extend(numpy_helper.from_array(v, name) for name, v in values.items() if name not in known)
    return helper.make_node("BatchNormalization", [source, *values], [output], epsilon=0.0)
