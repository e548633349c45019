"""Challenger and champion: the model at hand against the one in production, on the same images.

Both answer every image of the locked test and external sets, so that each difference is paired: the images that are
hard are hard for both. Figures are never taken from an earlier evaluation.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pipelines.evaluation.paired import auc_difference, proportion_difference
from pipelines.evaluation.predictions import CHAMPION, called, of_champion, patients_of, probabilities
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
    if _same(table, other, labels):
        certain = figures if threshold == champion["threshold"] else ("auc",)
        figures |= {name: {**found, "low": 0.0, "high": 0.0} for name in certain if (found := figures[name])}
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
