"""What rounding the weights of a convolution adds to its outputs on average, taken out of its bias beforehand.

Behind a rectifier inputs are never negative, so that the rounding errors of a kernel do not cancel: its output moves.
The mean input of each channel is known from training images, hence so is the move (bias correction, Nagel et al. 2019,
arXiv 1906.04721, section 4.2).
"""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def correct_biases(model: onnx.ModelProto, images: Sequence[np.ndarray], largest: int) -> None:
    """Move the bias of each convolution by what rounding its weights will move its output, in place.

    Args:
        model: with float weights.
        images: (1, height, width, channels) uint8 each, of training.
        largest: whole number that the largest weight of an output channel becomes.
    """
    weights = {weight.name: numpy_helper.to_array(weight) for weight in model.graph.initializer}
    means = _means(model, images)
    for number, node in enumerate(convolutions(model)):
        kernel = weights[node.input[1]]
        bias = weights[node.input[2]] if len(node.input) > 2 else np.zeros(len(kernel), np.float32)
        moved = _move(kernel, means[node.input[0]], largest)
        model.graph.initializer.append(numpy_helper.from_array((bias - moved).astype(np.float32), f"bias_{number}"))
        node.input[2:] = [f"bias_{number}"]
    _drop_unused(model.graph)


def convolutions(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """Convolutions of a graph whose weights are constants, in order."""
    constants = {weight.name for weight in model.graph.initializer}
    return [node for node in model.graph.node if node.op_type == "Conv" and node.input[1] in constants]


def _move(kernel: np.ndarray, mean: np.ndarray, largest: int) -> np.ndarray:
    """By how much rounding (outputs, inputs a group, rows, columns) moves each output, given each input's mean."""
    steps = np.abs(kernel).max(axis=(1, 2, 3), keepdims=True) / largest
    rounded = np.round(kernel / np.where(steps > 0, steps, 1)) * steps
    groups = len(mean) // kernel.shape[1]
    met = np.repeat(mean.reshape(groups, -1), len(kernel) // groups, axis=0)
    return ((rounded - kernel).sum(axis=(2, 3)) * met).sum(axis=1)


def _means(model: onnx.ModelProto, images: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Mean of each channel of what goes into the convolutions, by the tensor's name."""
    import onnxruntime

    tapped = onnx.ModelProto()
    tapped.CopyFrom(model)
    names = list(dict.fromkeys(node.input[0] for node in convolutions(model)))
    tapped.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    session = onnxruntime.InferenceSession(tapped.SerializeToString(), providers=["CPUExecutionProvider"])
    sums = dict.fromkeys(names, np.float64(0))
    for image in images:
        for name, value in zip(names, session.run(names, {"image": image}), strict=True):
            sums[name] = sums[name] + value.mean(axis=(0, 2, 3), dtype=np.float64)
    return {name: np.asarray(total) / len(images) for name, total in sums.items()}


def _drop_unused(graph: onnx.GraphProto) -> None:
    read = {name for node in graph.node for name in node.input}
    kept = [weight for weight in graph.initializer if weight.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)
