"""Whether the films of a window are like those of the reference: a test for each statistic, and all of them together.

Every window of a model is held against the same reference, whose films are a sample, too. A usual two-sample test keeps
its share of false alarms on the average of all references; with an unlucky one, windows as large as the reference
would raise an alarm again and again. So each test asks for more: that the window lies farther off than the reference
may itself be off the hospital, with the confidence TRUST. Then the share holds for a release, and not on average.

- Of numbers it is Kolmogorov's test of the window against the reference's confidence band: the distance of the two
  empirical distribution functions, less the half width of the band.
- Of shares it is the exact binomial test of each category against the end of the reference's interval (Wilson 1927)
  that is nearer; the least p counts for as many tests as there were.

Both count effective films (`effect`). P values are adjusted for the number of statistics by Holm's method (1979,
Scandinavian Journal of Statistics 6:65), which needs nothing of how they hang together. A statistic drifted if its
adjusted p lies below the level and its distance is worth an alarm.

A statistic that is the same for all films of both sides cannot be tested, and one that the reference does not know is
not watched; neither counts among the statistics that p values are adjusted for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.special import kolmogi, kolmogorov
from scipy.stats import binom
from statsmodels.stats.proportion import proportion_confint

from pipelines.monitoring.effect import of_numbers, of_shares
from pipelines.monitoring.reference import ANSWERS, NUMBERS, SHARES, Reference

TRUST = 0.9
# Shares of pixels at the ends of the grey scale are told apart no finer than this: a JPEG that is decoded at another
# scale, as ingest and service may, moves them by less.
GRAIN = {"dark": 0.005, "bright": 0.005}


@dataclass(frozen=True)
class Shift:
    """How far one statistic of a window lies from the reference.

    Args:
        distance: in [0, 1]; Kolmogorov-Smirnov of numbers, total variation of shares.
        p: of the test of this statistic alone.
        adjusted: for all statistics of the window.
        drifted: whether that is worth an alarm.
        was, now: lower quartile, median and upper quartile of a number; share of films by category.
    """

    name: str
    distance: float
    p: float
    adjusted: float
    drifted: bool
    was: dict[str, float]
    now: dict[str, float]


@dataclass(frozen=True)
class Side:
    """One statistic of the reference, ready to be held against many windows.

    Args:
        values: (n,) numbers, or names of categories.
        effect: the design effect of its films.
        was: as a shift tells it.
    """

    name: str
    values: np.ndarray
    effect: float
    was: dict[str, float]


def sides(reference: Reference) -> list[Side]:
    """The statistics that are watched: all that the reference knows."""
    films = reference.films
    patients = films["patient"].to_numpy()
    known = [name for name in (*NUMBERS, *ANSWERS, *SHARES) if films[name].notna().any()]
    found = {name: column(films, name) for name in known}
    return [
        Side(name, values, of_shares(values, patients), _shares(values))
        if name in SHARES
        else Side(name, values, of_numbers(values, patients), _quartiles(values))
        for name, values in found.items()
    ]


def shifts(watched: Sequence[Side], films: pd.DataFrame, level: float, least_distance: float) -> list[Shift]:
    """How far each statistic of a window lies from the reference; the most certain shift comes first.

    Args:
        films: of the window, at least one.
        level: share of windows without drift in which a statistic may be called drifted.
        least_distance: a shift that is smaller is none.
    """
    found = [shift for side in watched if (shift := _shift(side, column(films, side.name))) is not None]
    if not found:
        return []
    adjusted = holm(np.array([shift.p for shift in found]))
    judged = [
        replace(shift, adjusted=float(p), drifted=bool(p < level and shift.distance >= least_distance))
        for shift, p in zip(found, adjusted, strict=True)
    ]
    return sorted(judged, key=lambda shift: (not shift.drifted, shift.adjusted, -shift.distance))


def holm(p: np.ndarray) -> np.ndarray:
    """P values adjusted for their number, (n,)."""
    order = np.argsort(p)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return adjusted


def kolmogorov_smirnov(old: np.ndarray, new: np.ndarray) -> float:
    """The largest gap between two empirical distribution functions, in [0, 1]; ties are met at once."""
    points = np.concatenate([old, new])
    shares = [np.searchsorted(np.sort(side), points, side="right") / len(side) for side in (old, new)]
    return float(np.abs(shares[0] - shares[1]).max())


def column(films: pd.DataFrame, name: str) -> np.ndarray:
    """A statistic of films; a number that is missing lies below all others, a missing category is one of its own.

    Returns:
        (films,), as it is tested.
    """
    if name in SHARES:
        return films[name].fillna("none").astype(str).to_numpy()
    values = films[name].to_numpy(dtype=np.float64)
    if name in GRAIN:
        values = np.round(values / GRAIN[name]) * GRAIN[name]
    return np.where(np.isfinite(values), values, -np.inf)


def _shift(side: Side, values: np.ndarray) -> Shift | None:
    """The shift of one statistic, not yet adjusted; None where nothing varies."""
    first = side.values[0]
    if (side.values == first).all() and (values == first).all():
        return None
    if side.name in SHARES:
        was, now = side.was, _shares(values)
        distance = sum(abs(was.get(name, 0.0) - now.get(name, 0.0)) for name in {*was, *now}) / 2
        p = _of_counts(side.values, values, side.effect)
    else:
        was, now = side.was, _quartiles(values)
        distance = kolmogorov_smirnov(side.values, values)
        beyond = max(distance - float(kolmogi(1 - TRUST)) / np.sqrt(len(side.values) / side.effect), 0.0)
        p = float(kolmogorov(np.sqrt(len(values) / side.effect) * beyond))
    return Shift(side.name, distance, p, p, False, was, now)


def _of_counts(old: np.ndarray, new: np.ndarray, effect: float) -> float:
    """P value of the shares of a window beyond those that the reference allows."""
    names = np.unique(np.concatenate([old, new]))
    size, films = len(old) / effect, max(round(len(new) / effect), 1)
    shares = (old[:, None] == names).mean(axis=0)
    low, high = proportion_confint(shares * size, size, alpha=1 - TRUST, method="wilson")
    counts = np.rint((new[:, None] == names).mean(axis=0) * films)
    more, less = binom.sf(counts - 1, films, np.minimum(high, 1)), binom.cdf(counts, films, np.maximum(low, 0))
    tests = 2 * (1 if len(names) == 2 else len(names))  # both sides; of two categories the one is what the other is not
    return min(float(min(more.min(), less.min())) * tests, 1.0)


def _quartiles(values: np.ndarray) -> dict[str, float]:
    known = values[np.isfinite(values)]
    if not len(known):
        return {}
    low, middle, high = np.quantile(known, [0.25, 0.5, 0.75])
    return {"low": float(low), "median": float(middle), "high": float(high)}


def _shares(values: np.ndarray) -> dict[str, float]:
    names, counts = np.unique(values, return_counts=True)
    return {str(name): float(count) / len(values) for name, count in zip(names, counts, strict=True)}
