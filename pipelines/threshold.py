"""The operating point: threshold and refer band, chosen on validation films alone, and what is proven of them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_curve

from pipelines.errors import DataError, ModelError
from pipelines.recipe import ThresholdParams
from pipelines.risk_control import edge_level, patients_needed, proven_cut, proven_edge

BELOW_ZERO, ABOVE_ONE = math.nextafter(0.0, -1.0), math.nextafter(1.0, 2.0)


@dataclass(frozen=True)
class OperatingPoint:
    """From which probability an answer is positive, and what is promised of that.

    Args:
        threshold: films from it on are positive.
        refer: the open interval of probabilities that is left to a person, or None.
        facts: for the card. `rule`; `minimum` of the rules sensitivity and specificity; `miss_cost` of the rule cost;
            `confidence`; `patients`, those with films that the rule is about, and `positives` and `negatives`, all
            films of each class; `proven`, null where nothing is promised; `needed`, null where proven, else how many
            such patients without a miss would prove it; `refer_error`; `refer_proven`; `refer_needed`, how many
            patients answered on one side of the band without an error would prove that side, null where validation has
            as many and the model is what fails.
    """

    threshold: float
    refer: tuple[float, float] | None
    facts: dict[str, Any]


def operating_point(
    positive: np.ndarray, probability: np.ndarray, patients: np.ndarray, rule: ThresholdParams
) -> OperatingPoint:
    """Choose the threshold and the refer band, and say what validation proves of them.

    With a confidence, the sensitivity (specificity) that is promised is that of a patient: the mean, over patients with
    positive (negative) films, of the share of these that is found. It holds with that confidence for new patients of
    the same kind, and so does the refer error, each promise by itself. Where no threshold is proven it is the one that
    misses no film of validation.

    Args:
        positive: (n,) bool, the truth.
        probability: (n,) of the positive class.
        patients: (n,) whose film it is.
    Raises:
        DataError: validation has films of one class only.
        ModelError: a probability is not a number in [0, 1].
    """
    _check(positive, probability)
    probability = np.asarray(probability, dtype=np.float64)
    patients = pd.factorize(np.asarray(patients), use_na_sentinel=False)[0]
    threshold, proven = _threshold(positive, probability, patients, rule)
    refer, told = _refer(positive, probability, patients, threshold, rule)
    facts = _promise(positive, patients, rule, proven) | told
    return OperatingPoint(threshold, refer, facts)


def promise_in_words(facts: Mapping[str, Any]) -> str:
    """What was promised of the threshold and whether it is proven, to be added to a sentence; empty without a promise.

    Args:
        facts: of an operating point.
    """
    if facts["proven"] is None:
        return ""
    kind = "positive" if facts["rule"] == "sensitivity" else "negative"
    counted = f"{facts['patients']} patients with {kind} films"
    said = f": {facts['rule']} {facts['minimum']:g} promised with confidence {facts['confidence']:g}"
    if facts["proven"]:
        return f"{said}, proven by {counted}"
    return f"{said}, not proven: {counted}, {facts['needed']} needed"


def choose_threshold(positive: np.ndarray, probability: np.ndarray, rule: ThresholdParams) -> float:
    """Probability from which an image is called positive, by what was observed.

    Lies half way between two neighbouring validation probabilities, so that neither sits on the edge.

    Args:
        positive: (n,) bool, the truth.
        probability: (n,), of the positive class.
        rule: `youden` maximises sensitivity + specificity - 1 (Youden 1950); `sensitivity` takes the highest threshold
            that reaches the minimum, `specificity` the lowest; `cost` minimises misses x miss_cost + false alarms, at
            the share of positive films that validation has. Of equally good ones, the highest.
    """
    false_alarms, sensitivity, thresholds = roc_curve(positive, probability, drop_intermediate=False)
    if rule.rule == "youden":
        best = int(np.argmax(sensitivity - false_alarms))
    elif rule.rule == "cost":
        misses, alarms = np.sum(positive) * (1 - sensitivity), np.sum(~positive) * false_alarms
        best = int(np.argmin(rule.miss_cost * np.rint(misses) + np.rint(alarms)))
    elif rule.rule == "sensitivity":
        best = int(np.argmax(sensitivity >= rule.minimum))
    else:
        best = int(np.flatnonzero(1 - false_alarms >= rule.minimum)[-1])
    return _half_way_down(min(float(thresholds[best]), _above(float(probability.max()))), probability)


def refer_band(
    positive: np.ndarray, probability: np.ndarray, threshold: float, error: float
) -> tuple[float, float] | None:
    """The open interval around the threshold in which the answer is left to a person, by what was observed.

    Below it at most a share `error` of the validation images are positive, above it at most that share are negative.
    None where the model is that reliable everywhere; a side on which it never is reaches just beyond 0 or 1.
    """
    below = probability < threshold
    low = _edge(probability[below], positive[below], error)
    high = -_edge(-probability[~below], ~positive[~below], error)
    return _band(low, high, threshold)


def proven_refer_band(
    positive: np.ndarray,
    probability: np.ndarray,
    patients: np.ndarray,
    threshold: float,
    error: float,
    confidence: float,
) -> tuple[tuple[float, float] | None, list[int]]:
    """The narrowest band outside which the error is proven; a side of which nothing is proven stays as observed.

    The error on a side is the mean, over patients answered there, of the share of their answers there that are wrong.

    Args:
        patients: (n,) numbers from 0.
    Returns:
        The band, and for each side that is not proven how many patients validation has on that side of the threshold.
    """
    below, edges, unproven = probability < threshold, [], []
    for side, score, wrong in ((below, probability, positive), (~below, -probability, ~positive)):
        edge = proven_edge(score[side], wrong[side], patients[side], error, confidence)
        if edge is None:
            edge = _edge(score[side], wrong[side], error)
            unproven.append(len(np.unique(patients[side])))
        edges.append(edge)
    return _band(edges[0], -edges[1], threshold), unproven


def _threshold(
    positive: np.ndarray, probability: np.ndarray, patients: np.ndarray, rule: ThresholdParams
) -> tuple[float, bool | None]:
    """The threshold, and whether its promise is proven; None where there is no promise."""
    if rule.confidence is None or rule.rule not in ("sensitivity", "specificity"):
        return choose_threshold(positive, probability, rule), None
    if rule.rule == "sensitivity":
        cut, proven = proven_cut(probability[positive], patients[positive], rule.minimum, rule.confidence)
        return _half_way_down(cut, probability), proven
    cut, proven = proven_cut(-probability[~positive], patients[~positive], rule.minimum, rule.confidence)
    return _half_way_up(-cut, probability), proven


def _promise(positive: np.ndarray, patients: np.ndarray, rule: ThresholdParams, proven: bool | None) -> dict[str, Any]:
    about = {"sensitivity": positive, "specificity": ~positive}.get(rule.rule, np.ones(len(positive), dtype=bool))
    needed = None
    if proven is False and rule.confidence is not None:
        needed = patients_needed(1 - rule.minimum, 1 - rule.confidence)
    return {
        "rule": rule.rule,
        "minimum": rule.minimum if rule.rule in ("sensitivity", "specificity") else None,
        "miss_cost": rule.miss_cost if rule.rule == "cost" else None,
        "confidence": rule.confidence,
        "patients": len(np.unique(patients[about])),
        "positives": int(positive.sum()),
        "negatives": int((~positive).sum()),
        "proven": proven,
        "needed": needed,
    }


def _refer(
    positive: np.ndarray, probability: np.ndarray, patients: np.ndarray, threshold: float, rule: ThresholdParams
) -> tuple[tuple[float, float] | None, dict[str, Any]]:
    error, confidence = rule.refer_error, rule.confidence
    if confidence is None:
        told = {"refer_error": error, "refer_proven": None, "refer_needed": None}
        return refer_band(positive, probability, threshold, error), told
    band, unproven = proven_refer_band(positive, probability, patients, threshold, error, confidence)
    needed = patients_needed(error, edge_level(confidence))
    short = unproven and needed is not None and min(unproven) < needed
    told = {"refer_error": error, "refer_proven": not unproven, "refer_needed": needed if short else None}
    return band, told


def _check(positive: np.ndarray, probability: np.ndarray) -> None:
    if bad := int(np.count_nonzero(~((probability >= 0) & (probability <= 1)))):
        raise ModelError(
            f"{bad} of {len(probability)} validation probabilities are no numbers from 0 to 1. "
            "Train again, with a lower learning rate or in float32."
        )
    if (count := int(np.count_nonzero(positive))) in (0, len(positive)):
        raise DataError(
            f"{count} of {len(positive)} validation films are positive, expected films of both classes, as a threshold "
            "is chosen between them. Add data, or change how it is split."
        )


def _band(low: float, high: float, threshold: float) -> tuple[float, float] | None:
    low = max(min(low, threshold), BELOW_ZERO)
    high = min(max(high, threshold), ABOVE_ONE)
    if low == threshold < high:  # a film on the threshold is one of those above, and the band is open
        low = math.nextafter(threshold, -1.0)
    return None if low == high else (low, high)


def _edge(score: np.ndarray, wrong: np.ndarray, error: float) -> float:
    """The highest score up to which at most a share `error` is wrong; infinity where that is so for all of them."""
    order = np.argsort(score, kind="stable")
    ranked = score[order]
    count = np.searchsorted(ranked, ranked, side="right")  # films of the same score are answered together
    good = np.flatnonzero(np.cumsum(wrong[order])[count - 1] / count <= error)
    if not len(order) or (len(good) and good[-1] == len(order) - 1):
        return float("inf")
    return float(ranked[good[-1]]) if len(good) else float("-inf")


def _half_way_down(high: float, probability: np.ndarray) -> float:
    below = probability[probability < high]
    return _between(float(below.max()) if len(below) else 0.0, high)


def _half_way_up(low: float, probability: np.ndarray) -> float:
    above = probability[probability > low]
    return _between(low, float(above.min()) if len(above) else _above(low))


def _above(probability: float) -> float:
    return 1.0 if probability < 1 else ABOVE_ONE


def _between(low: float, high: float) -> float:
    """A threshold that calls `low` negative and `high` positive, even where no number lies between them."""
    middle = (low + high) / 2
    return middle if middle > low else high
