"""Batch normalisation as one node of the model file, where the converter wrote it as a product and a sum.

Both say the same. But ONNX Runtime keeps feature maps in blocks of channels from convolution to convolution, and takes
batch normalisation with the rectifier behind it along in this order; for a product and a sum it turns each map back and
forth. Behind a convolution nothing changes, as its weights take up either. Where normalisation comes first, as in each
layer of DenseNet (Huang et al. 2017, arXiv 1608.06993), the file becomes faster: `benchmarks/normalisation.py`.

Images, whose channels come last, are turned first: three numbers for each pixel in turn are slow to calculate with,
three planes are not.
"""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import onnx
from onnx import NodeProto, helper, numpy_helper

Readers = dict[str, NodeProto]
CHANNELS_FIRST = [0, 3, 1, 2]  # from (n, rows, columns, channels) to (n, channels, rows, columns)


def restore_normalisation(model: onnx.ModelProto) -> None:
    """Make one batch normalisation of each product with, then sum with, a constant for each channel, in place.

    What anything else reads as well stays as it is.
    """
    graph = model.graph
    readers = _only_readers(graph)
    instead: dict[str, list[NodeProto]] = {}
    for product, total, scale, shift in _pairs(graph, readers):
        source, output, turn = product.input[0], total.output[0], readers.get(total.output[0])
        if scale.shape == (1, scale.size, 1, 1):
            instead[output] = [_normalisation(graph, source, scale, shift, output)]
        elif scale.shape[-1] == scale.size and turn is not None and _puts_channels_first(turn):
            turned, last = f"{output}_turned", turn.output[0]
            first = helper.make_node("Transpose", [source], [turned], perm=CHANNELS_FIRST)
            instead |= {output: [], last: [first, _normalisation(graph, turned, scale, shift, last)]}
        else:
            continue
        instead[product.output[0]] = []
    kept = [one for node in graph.node for one in instead.get(node.output[0], [node])]
    del graph.node[:]
    graph.node.extend(kept)


def _only_readers(graph: onnx.GraphProto) -> Readers:
    """The node that reads a tensor, where it is the only one and the tensor is no answer."""
    found = defaultdict(list)
    for node in graph.node:
        for name in node.input:
            found[name].append(node)
    answers = {value.name for value in graph.output}
    return {name: nodes[0] for name, nodes in found.items() if len(nodes) == 1 and name not in answers}


def _pairs(graph: onnx.GraphProto, readers: Readers) -> Iterator[tuple[NodeProto, NodeProto, np.ndarray, np.ndarray]]:
    """Product, sum and their constants; one number may stand for any number of channels, and is left alone."""
    constants = {weight.name: numpy_helper.to_array(weight) for weight in graph.initializer}
    for product in graph.node:
        total = readers.get(product.output[0])
        if product.op_type != "Mul" or total is None or total.op_type != "Add":
            continue
        scale, shift = constants.get(product.input[1]), constants.get(total.input[1])
        if scale is not None and shift is not None and scale.shape == shift.shape and scale.size > 1:
            yield product, total, scale, shift


def _puts_channels_first(node: NodeProto) -> bool:
    return node.op_type == "Transpose" and [list(one.ints) for one in node.attribute] == [CHANNELS_FIRST]


def _normalisation(graph: onnx.GraphProto, source: str, scale: np.ndarray, shift: np.ndarray, output: str) -> NodeProto:
    """With mean 0, variance 1 and nothing added to it, so that scale and shift are used exactly as they are."""
    known = {weight.name for weight in graph.initializer}
    channels = scale.size
    values = {
        f"{output}_scale": scale.reshape(-1),
        f"{output}_shift": shift.reshape(-1),
        f"mean_of_{channels}": np.zeros(channels, scale.dtype),
        f"variance_of_{channels}": np.ones(channels, scale.dtype),
    }
    graph.initializer.extend(numpy_helper.from_array(v, name) for name, v in values.items() if name not in known)
    return helper.make_node("BatchNormalization", [source, *values], [output], epsilon=0.0)
