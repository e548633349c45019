"""Temperature scaling: one number that makes probabilities mean what they say, and changes no decision between classes.

Guo et al. 2017, "On calibration of modern neural networks" (arXiv 1706.04599): logits are divided by a temperature that
is fitted on validation. The model file gives probabilities, so here p becomes p^(1/T), divided by the sum over classes,
which is the same. A temperature above 1 makes answers less sure, below 1 surer.
"""

import math
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from pipelines.errors import ModelError
from pipelines.export.onnx_file import name_in_order, rename

# Films that are all answered rightly would drive it to 0, where single precision loses the order of sure answers.
LOWEST, HIGHEST = 0.25, 20.0
SMALLEST = float(np.finfo(np.float32).tiny)
EPSILON = float(np.finfo(np.float32).eps)
OUTPUT = "probability"


def fit_temperature(targets: np.ndarray, probability: np.ndarray) -> float:
    """The temperature with the least log loss, from 0.25 to 20.

    Args:
        targets: (n,) whole numbers, columns of `probability`.
        probability: (n, classes) that add up to 1. Values below the precision of single numbers count as that, as a 0
            may stand for any of them.
    Raises:
        ModelError: a probability is no number.
    """
    if bad := int((~np.isfinite(probability)).any(axis=1).sum()):
        raise ModelError(
            f"The model gives {bad} of {len(probability)} validation films probabilities that are no numbers. "
            "Train again, with a lower learning rate or in float32."
        )
    logs = np.log(np.clip(probability.astype(np.float64), EPSILON, 1.0))
    rows = np.arange(len(targets))

    def loss(log_temperature: float) -> float:
        return -float(log_softmax(logs / math.exp(log_temperature), axis=1)[rows, targets].mean())

    best = minimize_scalar(loss, bounds=(math.log(LOWEST), math.log(HIGHEST)), method="bounded")
    return math.exp(best.x)


def bake(path: Path, temperature: float) -> None:
    """Make a model file give scaled probabilities; name, type and shape of the output stay.

    Scaled in logarithms, which neither overflow nor vanish: softmax(log(p) / T). A probability of 0 is taken as the
    smallest number of single precision. All nodes are old ones, so that they work in the operator set of any exporter.

    Args:
        path: `model.onnx`, which is overwritten; the same model and temperature give the same bytes.
    """
    model = onnx.load(path)
    rename(model.graph, OUTPUT, raw := "probability_at_temperature_1")
    constants = {"smallest": np.float32(SMALLEST), "sharpness": np.float32(1 / temperature)}
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items())
    model.graph.node.extend(
        (
            helper.make_node("Max", [raw, "smallest"], ["not_zero"]),
            helper.make_node("Log", ["not_zero"], ["logarithm"]),
            helper.make_node("Mul", ["logarithm", "sharpness"], ["scaled_logarithm"]),
            helper.make_node("Softmax", ["scaled_logarithm"], [OUTPUT], axis=1),
        )
    )
    onnx.save(model, path)
    name_in_order(path)
