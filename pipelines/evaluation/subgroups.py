"""Figures of parts of a split: by site, view, sex, age band and image size, as far as they are known."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from pipelines.evaluation.predictions import called, patients_of
from pipelines.evaluation.rest import Calls, called_right
from pipelines.intervals import auc, proportion
from pipelines.recipe import LabelParams

SMALL = 20
AGES = {"under 1": 1, "1 to 5": 6, "6 to 17": 18, "18 to 39": 40, "40 to 64": 65, "65 and over": np.inf}
UNKNOWN = "not stated"


def subgroups(table: pd.DataFrame, labels: LabelParams, threshold: float | None) -> list[dict[str, Any]]:
    """Figures of the images of each group, where the split has more than one of its kind.

    `small` marks a group with fewer than 20 positive or negative images (with more than two classes: 20 images), whose
    figures say little.
    """
    found = []
    for by, names in groupings(table).items():
        if names.nunique() > 1:
            found += [
                {"by": by, "group": name, **_subgroup(part, labels, threshold)}
                for name, part in sorted(table.groupby(names), key=lambda pair: _place(pair[0]))
            ]
    return found


def groupings(table: pd.DataFrame) -> dict[str, pd.Series]:
    """The group that each image belongs to, by what it is grouped by."""
    found = {by: table[by].astype(object).where(table[by].notna(), UNKNOWN) for by in ("site", "view", "sex")}
    found["age"] = _banded(table["age"].astype(float), AGES)
    if "width" in table:
        shorter = table[["width", "height"]].min(axis=1).astype(float)
        found["image size"] = _banded(shorter, _sizes())
    return {by: names.astype(str) for by, names in found.items()}


def worst(groups: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The group that fares worst: the lowest balanced accuracy (accuracy with more than two classes).

    Small groups count only where all groups are small, and groups without the figure not at all.
    """
    known = [(value, group) for group in groups if (value := _quality(group)) is not None]
    enough = [pair for pair in known if not pair[1]["small"]] or known
    if not enough:
        return None
    value, group = min(enough, key=lambda pair: pair[0])
    metric = "balanced_accuracy" if "sensitivity" in group else "accuracy"
    return {"by": group["by"], "group": group["group"], "metric": metric, "value": value, "n": group["n"]} | {
        "small": group["small"]
    }


def _quality(group: dict[str, Any]) -> float | None:
    if "sensitivity" not in group:
        return group["accuracy"]
    if group["sensitivity"] is None or group["specificity"] is None:
        return None
    return float(group["sensitivity"] + group["specificity"]) / 2


def _subgroup(part: pd.DataFrame, labels: LabelParams, threshold: float | None) -> dict[str, Any]:
    guess, target, patients = called(part, labels, threshold), part["target"].to_numpy(), patients_of(part)
    everything = np.ones(len(part), dtype=bool)
    figures = {"n": len(part), **proportion(guess == target, everything, patients).named("accuracy")}
    if labels.positive is None:
        return {**figures, "small": len(part) < SMALL}
    positive = target == labels.positive_index
    score = part["probability"].to_numpy()
    fewest = min(int(positive.sum()), int((~positive).sum()))
    return {
        **figures,
        "n_positive": int(positive.sum()),
        **auc(positive, score, patients).named("auc"),
        **called_right(Calls(positive, guess == labels.positive_index, score, patients)),
        "small": fewest < SMALL,
    }


def _banded(values: pd.Series, bands: dict[str, float]) -> pd.Series:
    """The name of the first band whose end lies above the value."""
    ends = list(bands.values())
    places = np.searchsorted(ends, values.fillna(0), side="right")
    names = np.array([*bands, UNKNOWN], dtype=object)[np.minimum(places, len(bands))]
    return pd.Series(names, index=values.index).where(values.notna(), UNKNOWN)


def _place(name: str) -> tuple[int, str]:
    """Bands stand in their order, names in that of the alphabet, what is not stated last."""
    bands = [*AGES, *_sizes()]
    return (len(bands) if name == UNKNOWN else bands.index(name) if name in bands else -1), name


def _sizes() -> dict[str, float]:
    """Bands of the shorter side in pixels, each twice as wide as the one before."""
    ends = [2.0**power for power in range(6, 13)]
    names = ["under 64 px", *(f"{int(low)} to {int(high) - 1} px" for low, high in pairwise(ends))]
    return {**dict(zip(names, ends, strict=True)), f"{int(ends[-1])} px and over": np.inf}
