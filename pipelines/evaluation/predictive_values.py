"""Predictive values where positive films are rarer or more frequent than among those measured."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipelines.evaluation.rest import Calls
from pipelines.intervals import Z, effective_size


def predictive_values(calls: Calls | None, prevalences: Sequence[float]) -> dict[str, Any]:
    """Positive and negative predictive value at each prevalence, as metrics.json holds them; nothing of many classes.

    They follow from sensitivity and specificity by Bayes' rule; the interval is on the scale of the logit (Mercaldo,
    Lau and Zhou 2007, 10.1002/sim.2677), and where sensitivity or specificity is 0 or 1 of their adjusted estimates
    (Agresti and Coull 1998). `ppv` and `npv` are None where a class has no images.
    """
    if calls is None or not prevalences:
        return {}
    rates = [_rate(calls.guess, calls.positive, calls), _rate(~calls.guess, ~calls.positive, calls)]
    found = []
    for prevalence in prevalences:
        ppv = _value(rates, prevalence, positive=True)
        npv = _value(rates, prevalence, positive=False)
        found.append({"prevalence": prevalence, **_named("ppv", ppv), **_named("npv", npv)})
    return {"predictive_values": found}


def _rate(hits: np.ndarray, of: np.ndarray, calls: Calls) -> tuple[float, float] | None:
    """A share and the effective number of images that it is of."""
    if not of.any():
        return None
    return float(hits[of].mean()), effective_size(hits[of].astype(float), calls.patients[of])


def _value(
    rates: Sequence[tuple[float, float] | None], prevalence: float, positive: bool
) -> tuple[float | None, float | None, float | None]:
    if rates[0] is None or rates[1] is None:
        return None, None, None
    point = _point(rates[0][0], rates[1][0], prevalence, positive)
    pair = [rates[0], rates[1]]
    if any(share in (0.0, 1.0) for share, _ in pair):
        pair = [((share * n + Z**2 / 2) / (n + Z**2), n + Z**2) for share, n in pair]
    (sensitivity, ill), (specificity, healthy) = pair
    centre = _point(sensitivity, specificity, prevalence, positive) or 0.0
    variance = (
        (1 - sensitivity) / (sensitivity * ill) + specificity / ((1 - specificity) * healthy)
        if positive
        else sensitivity / ((1 - sensitivity) * ill) + (1 - specificity) / (specificity * healthy)
    )
    logit, reach = np.log(centre / (1 - centre)), Z * np.sqrt(variance)
    low, high = (float(1 / (1 + np.exp(-end))) for end in (logit - reach, logit + reach))
    return (None, None, None) if point is None else (point, min(low, point), max(high, point))


def _point(sensitivity: float, specificity: float, prevalence: float, positive: bool) -> float | None:
    """By Bayes' rule; None where nothing is called so."""
    right = sensitivity * prevalence if positive else specificity * (1 - prevalence)
    wrong = (1 - specificity) * (1 - prevalence) if positive else (1 - sensitivity) * prevalence
    return right / (right + wrong) if right + wrong else None


def _named(name: str, values: tuple[float | None, float | None, float | None]) -> dict[str, float | None]:
    return dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))
