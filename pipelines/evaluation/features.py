"""The pooled features of images, taken from inside the released file.

The file gives the distance of these features from those of the training images, and so holds them on the way there:
the distance begins with the features less their mean.
"""

from pathlib import Path

import numpy as np
import onnx

BATCH = 32


def pooled_features(path: Path, images: np.ndarray) -> np.ndarray | None:
    """Mean of each channel of the last feature map, (n, channels); None where the file has no such thing.

    Args:
        path: of a `model.onnx`, which stays as it is.
        images: (n, height, width, channels) uint8.
    """
    model = onnx.load(path)
    if (name := features_tensor(model.graph)) is None:
        return None
    import onnxruntime

    model.graph.output.append(onnx.ValueInfoProto(name=name))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    blocks = [images[start : start + BATCH] for start in range(0, len(images), BATCH)]
    found = [session.run([name], {"image": np.ascontiguousarray(block)})[0] for block in blocks]
    return np.concatenate(found) if found and found[0].ndim == 2 else None


def features_tensor(graph: onnx.GraphProto) -> str | None:
    """The name of what the mean of the training images is taken from: the first difference behind `distance`."""
    made_by = {tensor: node for node in graph.node for tensor in node.output}
    fixed = {weight.name for weight in graph.initializer}
    fixed |= {tensor for node in graph.node if node.op_type == "Constant" for tensor in node.output}
    todo, seen = ["distance"], set()
    while todo:
        tensor = todo.pop(0)
        node = made_by.get(tensor)
        if node is None or tensor in seen:
            continue
        seen.add(tensor)
        if node.op_type == "Sub" and node.input[1] in fixed:
            return str(node.input[0])
        todo += [name for name in node.input if name not in fixed]
    return None
