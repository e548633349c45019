"""The threshold and the refer band, chosen on validation images alone."""

import math

import numpy as np
from sklearn.metrics import roc_curve

from pipelines.recipe import ThresholdParams


def choose_threshold(positive: np.ndarray, probability: np.ndarray, rule: ThresholdParams) -> float:
    """Probability from which an image is called positive.

    Lies half way between two neighbouring validation probabilities, so that neither sits on the edge.

    Args:
        positive: (n,) bool, the truth.
        probability: (n,), of the positive class.
        rule: `youden` maximises sensitivity + specificity - 1 (Youden 1950); `sensitivity` takes the highest threshold
            that reaches the minimum, `specificity` the lowest.
    """
    false_alarms, sensitivity, thresholds = roc_curve(positive, probability, drop_intermediate=False)
    if rule.rule == "youden":
        best = int(np.argmax(sensitivity - false_alarms))
    elif rule.rule == "sensitivity":
        best = int(np.argmax(sensitivity >= rule.minimum))
    else:
        best = int(np.flatnonzero(1 - false_alarms >= rule.minimum)[-1])
    return _half_way_down(float(min(thresholds[best], 1.0)), probability)


def refer_band(
    positive: np.ndarray, probability: np.ndarray, threshold: float, error: float
) -> tuple[float, float] | None:
    """The open interval around the threshold in which the answer is left to a person.

    Below it at most a share `error` of the validation images are positive, above it at most that share are negative.
    None where the model is that reliable everywhere; a side on which it never is reaches just beyond 0 or 1.
    """
    low = _edge(probability[probability < threshold], positive[probability < threshold], error)
    above = probability >= threshold
    high = -_edge(-probability[above], ~positive[above], error)
    low = max(min(low, threshold), math.nextafter(0.0, -1.0))
    high = min(max(high, threshold), math.nextafter(1.0, 2.0))
    return None if low == high else (low, high)


def _edge(probability: np.ndarray, wrong: np.ndarray, error: float) -> float:
    """The highest value up to which at most a share `error` is wrong; infinity where that is so for all of them."""
    order = np.argsort(probability, kind="stable")
    share = np.cumsum(wrong[order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero(share <= error)
    if len(good) == len(order) or (len(good) and good[-1] == len(order) - 1):
        return float("inf")
    return float(probability[order][good[-1]]) if len(good) else float("-inf")


def _half_way_down(threshold: float, probability: np.ndarray) -> float:
    below = probability[probability < threshold]
    return float((threshold + below.max()) / 2) if len(below) else threshold
