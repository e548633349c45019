"""Figures of one class against the rest, and their means over the classes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipelines.intervals import AucParts, Estimate, auc, auc_parts, average_precision, of_share, proportion


@dataclass(frozen=True)
class Calls:
    """One class against all others.

    Args:
        positive: (n,) bool, the truth.
        guess: (n,) bool, what the images are called.
        score: (n,), probability of the class.
        patients: (n,) whole numbers from 0.
    """

    positive: np.ndarray
    guess: np.ndarray
    score: np.ndarray
    patients: np.ndarray


@dataclass(frozen=True)
class Part:
    """A figure and what each image adds to its error, (n,)."""

    value: float
    influence: np.ndarray


def against_rest(calls: Calls) -> dict[str, Any]:
    """All figures of a class."""
    return {
        "n_positive": int(calls.positive.sum()),
        **auc(calls.positive, calls.score, calls.patients).named("auc"),
        **average_precision(calls.positive, calls.score, calls.patients).named("average_precision"),
        **called_right(calls),
    }


def called_right(calls: Calls) -> dict[str, Any]:
    """The figures that follow from truth and call alone."""
    found: dict[str, Any] = {}
    for name, (hits, of) in SHARES.items():
        found |= proportion(hits(calls), of(calls), calls.patients).named(name)
    return found | f1(calls).named("f1")


def f1(calls: Calls) -> Estimate:
    """Harmonic mean of precision and recall (van Rijsbergen 1979)."""
    n = int((calls.positive | calls.guess).sum())
    if (part := _f1(calls)) is None:
        return Estimate(None, None, None, 0)
    return of_share(part.value, part.influence, calls.patients, n)


def macro(classes: Sequence[Calls]) -> dict[str, Any]:
    """Means over the classes, each against the rest; None where one of the classes does not allow its figure."""
    found: dict[str, Any] = {}
    for name, part in {"auc": _auc, **{name: _share(name) for name in SHARES}, "f1": _f1}.items():
        parts = [part(calls) for calls in classes]
        known = [one for one in parts if one is not None]
        n, patients = len(classes[0].positive), classes[0].patients
        estimate = Estimate(None, None, None, n)
        if len(known) == len(parts):
            value = float(np.mean([one.value for one in known]))
            estimate = of_share(value, np.mean([one.influence for one in known], axis=0), patients, n)
        found |= estimate.named(name)
    return found


def macro_auc_parts(chances: np.ndarray, target: np.ndarray) -> AucParts | None:
    """The mean AUC of the classes, each against the rest, from probabilities (n, classes); None where one has none."""
    parts = [auc_parts(target == index, chances[:, index]) for index in range(chances.shape[1])]
    known = [one for one in parts if one is not None]
    if len(known) < len(parts):
        return None
    return AucParts(float(np.mean([one.value for one in known])), np.mean([one.influence for one in known], axis=0))


# Of each figure: the images with the property, and those that the share is of.
SHARES: dict[str, tuple[Callable[[Calls], np.ndarray], Callable[[Calls], np.ndarray]]] = {
    "sensitivity": (lambda calls: calls.guess, lambda calls: calls.positive),
    "specificity": (lambda calls: ~calls.guess, lambda calls: ~calls.positive),
    "precision": (lambda calls: calls.positive, lambda calls: calls.guess),
    "npv": (lambda calls: ~calls.positive, lambda calls: ~calls.guess),
    "recall": (lambda calls: calls.guess, lambda calls: calls.positive),
}


def _share(name: str) -> Callable[[Calls], Part | None]:
    hits, of = SHARES[name]
    return lambda calls: _ratio((hits(calls) & of(calls)).astype(float), of(calls).astype(float))


def _f1(calls: Calls) -> Part | None:
    hits = 2.0 * (calls.positive & calls.guess)
    return _ratio(hits, calls.positive.astype(float) + calls.guess)


def _auc(calls: Calls) -> Part | None:
    parts = auc_parts(calls.positive, calls.score)
    return Part(parts.value, parts.influence) if parts else None


def _ratio(over: np.ndarray, under: np.ndarray) -> Part | None:
    if not (total := float(under.sum())):
        return None
    value = float(over.sum()) / total
    return Part(value, (over - value * under) / total)
