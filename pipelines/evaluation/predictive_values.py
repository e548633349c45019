"""Predictive values where positive films are rarer or more frequent than among those measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipelines.evaluation.rest import Calls
from pipelines.intervals import Estimate, proportion


@dataclass(frozen=True)
class Ratio:
    """A ratio of two proportions with its interval; infinite where the lower one may be 0."""

    value: float
    low: float
    high: float


def predictive_values(calls: Calls | None, prevalences: Sequence[float]) -> dict[str, Any]:
    """Positive and negative predictive value at each prevalence, as metrics.json holds them; nothing of many classes.

    They follow from sensitivity and specificity by Bayes' rule, that is from the prevalence and a likelihood ratio,
    whose interval comes from those of Wilson of the two (`ratio`). `ppv` and `npv` are None where a class has no
    images, or where no image at all is called so.
    """
    if calls is None or not prevalences:
        return {}
    ill, healthy = calls.positive, ~calls.positive
    found, missed = (proportion(guess, ill, calls.patients) for guess in (calls.guess, ~calls.guess))
    alarms, cleared = (proportion(guess, healthy, calls.patients) for guess in (calls.guess, ~calls.guess))
    told = []
    for prevalence in prevalences:
        odds = (1 - prevalence) / prevalence
        ppv, npv = _named("ppv", _share(alarms, found, odds)), _named("npv", _share(missed, cleared, 1 / odds))
        told.append({"prevalence": prevalence, **ppv, **npv})
    return {"predictive_values": told}


def ratio(over: Estimate, under: Estimate) -> Ratio | None:
    """The ratio of two independent proportions by MOVER-R (Newcombe 2016, 10.1177/0962280213502144).

    It recovers the variances from the ends of the two intervals, and so needs no correction where a proportion is 0
    or 1. None where one of them is unknown, or both are 0.
    """
    if over.value is None or under.value is None or not (over.value or under.value):
        return None
    p, q = over.value, under.value
    value = p / q if q else np.inf
    return Ratio(
        value, _end(p, q, over.low or 0.0, under.high or 0.0, -1), _end(p, q, over.high or 0.0, under.low or 0.0, 1)
    )


def _end(p: float, q: float, near: float, far: float, side: int) -> float:
    """One end of the interval of p / q, from the end of p on this side and that of q on the other."""
    if not far * (2 * q - far):
        return float(np.inf)
    inner = (p * q) ** 2 - near * far * (2 * p - near) * (2 * q - far)
    return max(float((p * q + side * np.sqrt(max(inner, 0.0))) / (far * (2 * q - far))), 0.0)


def _share(wrong: Estimate, right: Estimate, odds: float) -> tuple[float, float, float] | None:
    """1 / (1 + odds x wrong / right), with its interval."""
    if (found := ratio(wrong, right)) is None:
        return None
    value, low, high = (1 / (1 + odds * one) for one in (found.value, found.high, found.low))
    return value, low, high


def _named(name: str, values: tuple[float, float, float] | None) -> dict[str, float | None]:
    return dict(zip((name, f"{name}_low", f"{name}_high"), values or (None, None, None), strict=True))
