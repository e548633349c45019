"""Challenger and champion: the model at hand against the one in production, on the same images.

Both answer every image of the locked test and external sets, so that each difference is paired: the images that are
hard are hard for both. Figures are never taken from an earlier evaluation.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.stats.contingency_tables import mcnemar

from pipelines.evaluation.predictions import CHAMPION, called, of_champion, patients_of, probabilities
from pipelines.evaluation.rest import macro_auc_parts
from pipelines.intervals import AucParts, Estimate, auc, auc_parts, of_share, proportion, quantile
from pipelines.recipe import LabelParams

VERDICTS = ("worse", "not decidable", "not worse", "better")  # from bad to good


def compare(
    table: pd.DataFrame, labels: LabelParams, threshold: float | None, champion: Mapping[str, Any], margin: float
) -> dict[str, Any]:
    """What comparison.json holds of a split.

    Args:
        table: of predictions, with those of the champion.
        threshold: of the challenger.
        champion: its `threshold`.
        margin: non-inferiority margin, as a share: the challenger may be this much below and still counts as not worse.
    Returns:
        `figures` by metric, each with `champion`, `challenger`, `difference` (challenger less champion), `low`, `high`
        (95 %), `p` (McNemar's exact, of proportions), `n`, `verdict` and `needed`; and `verdict`, the worst of them.
    """
    other = of_champion(table, labels)
    target, patients = table["target"].to_numpy(), patients_of(table)
    mine = called(table, labels, threshold) == target
    theirs = called(other, labels, champion["threshold"]) == target
    figures = {"auc": auc_difference(table, other, labels, patients)}
    for name, of in _rights(target, labels).items():
        figures[name] = proportion_difference(mine, theirs, of, patients)
    if threshold == champion["threshold"] and _same(table, other, labels):
        figures = {name: found and {**found, "low": 0.0, "high": 0.0} for name, found in figures.items()}
    known = {name: {**found, **judged(found, margin)} for name, found in figures.items() if found is not None}
    verdicts = [found["verdict"] for found in known.values()]
    return {"figures": known, "verdict": min(verdicts, key=VERDICTS.index, default="not decidable"), "margin": margin}


def _rights(target: np.ndarray, labels: LabelParams) -> dict[str, np.ndarray]:
    """The images that each proportion of right calls is of."""
    if labels.positive is None:
        return {"accuracy": np.ones(len(target), dtype=bool)}
    positive = target == labels.positive_index
    return {"sensitivity": positive, "specificity": ~positive}


def _same(table: pd.DataFrame, other: pd.DataFrame, labels: LabelParams) -> bool:
    """Whether the two models give every image the same answer, so that nothing is left to chance."""
    return np.array_equal(probabilities(table, labels), probabilities(other, labels))


def has_champion(table: pd.DataFrame) -> bool:
    """Whether the model in production answered these images."""
    return any(str(column).startswith(CHAMPION) for column in table)


def judged(found: Mapping[str, Any], margin: float) -> dict[str, Any]:
    """The verdict on a difference, and how many images would decide it at the observed difference.

    `better`: the interval lies above 0. `not worse`: above minus the margin (non-inferiority). `worse`: below 0, and
    not above minus the margin. Else `not decidable`.
    """
    low, high, difference = found["low"], found["high"], found["difference"]
    if low > 0:
        return {"verdict": "better", "needed": None}
    if low >= -margin:
        return {"verdict": "not worse", "needed": None}
    if high < 0:
        return {"verdict": "worse", "needed": None}
    half, distances = (high - low) / 2, [difference + margin, -difference]
    needed = [found["n"] * (half / distance) ** 2 for distance in distances if distance > 0]
    return {"verdict": "not decidable", "needed": int(np.ceil(min(needed)))}


def auc_difference(
    table: pd.DataFrame, other: pd.DataFrame, labels: LabelParams, patients: np.ndarray
) -> dict[str, Any] | None:
    """Paired difference of two AUCs, of the macro means with more than two classes; None with one class alone.

    The interval comes from those of the two AUCs and the correlation of their errors (MOVER: Zou and Yue 2013,
    10.1080/10543406.2012.756500), because near 1 the error of an AUC is lopsided, and a symmetric interval of the
    difference (DeLong et al. 1988) is too sure of the worse model. Both reach as many standard errors as the error of
    the difference asks for.

    Args:
        table: of predictions of the challenger; `other` those of the champion, in the same order.
        patients: (n,) whole numbers from 0.
    """
    target = table["target"].to_numpy()
    mine, theirs = (_auc_parts(one, target, labels) for one in (table, other))
    if mine is None or theirs is None:
        return None
    errors = quantile(mine.influence - theirs.influence, patients)
    new, old = (_auc(one, parts, target, labels, patients, errors) for one, parts in ((table, mine), (other, theirs)))
    low, high = _recovered(new, old, correlation(mine.influence, theirs.influence, patients))
    return _difference(old, new, low, high, len(table), p=None)


def correlation(one: np.ndarray, other: np.ndarray, patients: np.ndarray) -> float:
    """Correlation of the errors of two figures over patients, from what each image adds to them; 0 without errors."""
    first, second = (np.bincount(patients, influence) for influence in (one, other))
    size = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / size if size > 0 else 0.0


def _recovered(mine: Estimate, theirs: Estimate, shared: float) -> tuple[float, float]:
    """The interval of a difference, whose variances are recovered from the ends of two intervals."""
    difference = (mine.value or 0.0) - (theirs.value or 0.0)
    reaches = []
    for end, opposite in (("low", "high"), ("high", "low")):
        away = (mine.value or 0.0) - getattr(mine, end)
        across = (theirs.value or 0.0) - getattr(theirs, opposite)
        reaches.append(np.sqrt(max(away**2 + 2 * shared * away * across + across**2, 0.0)))
    return difference - reaches[0], difference + reaches[1]


def proportion_difference(
    mine: np.ndarray, theirs: np.ndarray, of: np.ndarray, patients: np.ndarray
) -> dict[str, Any] | None:
    """Paired difference of two proportions, with McNemar's exact test; None of nothing.

    The interval comes from those of Wilson of the two and the correlation of their errors (Newcombe 1998, method 10,
    10.1002/(sici)1097-0258(19981130)17:22<2635), over patients. The test (McNemar 1947) takes images as independent.

    Args:
        mine: (n,) bool, the images that the challenger calls rightly.
        theirs: (n,) bool, those that the champion does.
        of: (n,) bool, the images that the proportion is of.
    """
    if not of.any():
        return None
    won, lost = int((mine & ~theirs & of).sum()), int((theirs & ~mine & of).sum())
    test = mcnemar([[0, won], [lost, 0]], exact=True)
    new, old = proportion(mine, of, patients), proportion(theirs, of, patients)
    first, second = (np.where(of, right - (found.value or 0.0), 0.0) for right, found in ((mine, new), (theirs, old)))
    low, high = _recovered(new, old, correlation(first, second, patients))
    return _difference(old, new, low, high, new.n, p=float(test.pvalue))


def words(comparison: Mapping[str, Any]) -> str:
    """The outcome in a sentence."""
    champion = comparison["champion"]
    if champion is None:
        return "There is no model in production to compare with."
    splits: dict[str, list[str]] = {}
    for split, found in comparison["splits"].items():
        splits.setdefault(found["verdict"], []).append(split)
    verdicts = ", ".join(f"{verdict} on {' and '.join(where)}" for verdict, where in splits.items())
    return f"Against version {champion['version']}, which is in production: {verdicts}."


def remarks(comparison: Mapping[str, Any]) -> Sequence[str]:
    """What a reader must know to trust the comparison, in sentences."""
    said = []
    for split, found in comparison["splits"].items():
        if found["same_images"] is False:
            said.append(
                f"The {split} images are not those on which the model in production was released: both models were "
                "measured anew on the images of today, and no figure of then is compared with one of now."
            )
        if found["trained_on"]:
            said.append(
                f"The model in production was trained on {found['trained_on']} of the {found['n']} {split} images, "
                "so that its figures there are too good."
            )
    return said


def _auc_parts(table: pd.DataFrame, target: np.ndarray, labels: LabelParams) -> AucParts | None:
    chances = probabilities(table, labels)
    if labels.positive is None:
        return macro_auc_parts(chances, target)
    return auc_parts(target == labels.positive_index, chances[:, labels.positive_index])


def _auc(
    table: pd.DataFrame,
    parts: AucParts,
    target: np.ndarray,
    labels: LabelParams,
    patients: np.ndarray,
    errors: float,
) -> Estimate:
    if labels.positive is None:
        return of_share(parts.value, parts.influence, patients, len(target), errors)
    score = probabilities(table, labels)[:, labels.positive_index]
    return auc(target == labels.positive_index, score, patients, errors)


def _difference(
    champion: Estimate, challenger: Estimate, low: float, high: float, n: int, p: float | None
) -> dict[str, Any]:
    return {
        "champion": champion.value,
        "challenger": challenger.value,
        "difference": (challenger.value or 0.0) - (champion.value or 0.0),
        "low": float(low),
        "high": float(high),
        "p": p,
        "n": n,
    }
