"""A model file whose convolutions calculate in eight bits: faster, a quarter of the size, and a little less exact.

Weights have seven bits and a scale for each output channel, activations eight. With an eighth bit weights would be more
exact, but processors without VNNI instructions add pairs of products in sixteen bits, which then overflow: the file
would answer otherwise on another machine. Means that rounding moves are put right (`pipelines.export.bias`). Heatmap,
distance and dense layers stay in single precision, which costs next to nothing.
"""

import contextlib
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx

from pipelines.export.bias import convolutions, correct_biases
from pipelines.export.onnx_file import name_in_order
from pipelines.inference import Answers

CALIBRATION = 64  # films whose activations set the scales; 16 to 256 made no difference that could be told from chance
LARGEST = 64  # weights from -64 to 64: two products with 255 add up to less than 2 to the power of 15
FOLLOWERS = ("Relu", "Clip")  # merge into the convolution beside them


def quantise(path: Path, images: np.ndarray, rng: np.random.Generator) -> None:
    """Make a model file calculate its convolutions in eight bits.

    Args:
        path: `model.onnx`, which is overwritten; the same model, images and generator give the same bytes.
        images: (n, height, width, channels) uint8, of training; some are drawn to set the scales.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    drawn = np.sort(rng.choice(len(images), min(CALIBRATION, len(images)), replace=False))
    films = [np.ascontiguousarray(images[one : one + 1]) for one in drawn]
    model = onnx.load(path)
    correct_biases(model, films, LARGEST)
    with TemporaryDirectory() as folder:
        _quantise_static(model, Path(folder), path, films)
    name_in_order(path)


def differences(exact: Answers, rounded: Answers) -> dict[str, float]:
    """How far the answers of the eight-bit file lie from those of the exact one.

    Returns:
        `probability` and `largest`, mean and largest difference of a probability; `heatmap`, median correlation of the
        heatmaps that are not flat, 0 where all are; `distance`, median ratio of the distances.
    """
    away = np.abs(exact.probability - rounded.probability)
    heat, other = (one.heatmap.reshape(len(one.heatmap), -1) for one in (exact, rounded))
    drawn = (np.ptp(heat, axis=1) > 0) & (np.ptp(other, axis=1) > 0)
    pairs = zip(heat[drawn], other[drawn], strict=True)
    alike = [float(np.corrcoef(one, two)[0, 1]) for one, two in pairs]
    return {
        "probability": float(away.mean()),
        "largest": float(away.max()),
        "heatmap": float(np.median(alike)) if alike else 0.0,
        "distance": float(np.median(rounded.distance / exact.distance)),
    }


def _quantise_static(model: onnx.ModelProto, folder: Path, path: Path, films: Sequence[np.ndarray]) -> None:
    from onnxruntime import quantization

    class Films(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter(films)

        def get_next(self) -> dict[str, np.ndarray] | None:
            image = next(self.left, None)
            return None if image is None else {"image": image}

    # So marked, the library does not remind of a preparation that these graphs do not need.
    model.metadata_props.add(key="onnx.quant.pre_process", value="onnxruntime.quant")
    onnx.save(model, folder / "float.onnx")
    with contextlib.redirect_stdout(io.StringIO()):
        quantization.quantize_static(
            folder / "float.onnx",
            path,
            Films(),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=["Conv", *FOLLOWERS],
            nodes_to_exclude=list(_apart(model)),
            per_channel=True,
            reduce_range=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )


def _apart(model: onnx.ModelProto) -> Iterator[str]:
    """Names of the rectifiers beside no convolution, as those of the dense layers and of the heatmap."""
    around = convolutions(model)
    beside = {tensor for node in around for tensor in (node.input[0], *node.output)}
    for node in model.graph.node:
        if node.op_type in FOLLOWERS and not beside & {node.input[0], *node.output}:
            yield node.name
