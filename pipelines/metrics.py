"""The figures of a model, each from the table of predictions and the threshold alone.

All images count, those that the service would refer or refuse as well: nothing is hidden by not answering.
A figure that the images cannot give (no positives, no images) is None; `<name>_low` and `<name>_high` are its 95 %
interval, `<name>_n` the number of images that a proportion is of.
"""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix

from pipelines.calibration import calibration_error
from pipelines.intervals import auc_interval, wilson
from pipelines.predictions import called, probabilities, stated
from pipelines.recipe import LabelParams

PROPORTIONS = ("accuracy", "sensitivity", "specificity", "precision", "recall")
MEANS = ("auc", "sensitivity", "specificity", "precision", "recall", "f1")
SMALL = 20

Figures = dict[str, Any]


def measure(table: pd.DataFrame, labels: LabelParams, threshold: float | None) -> Figures:
    """All figures of one split.

    Args:
        table: of predictions, of one split.
        threshold: probability from which an image is called positive; None with more than two classes.
    Returns:
        What metrics.json holds of a split: with more than two classes, sensitivity and the like are means over the
        classes, each against the rest, without an interval, and `classes` has the figures of each class.
    """
    guess, target = called(table, labels, threshold), table["target"].to_numpy()
    return {
        "n": len(table),
        "n_patients": len(table[["site", "patient_id"]].drop_duplicates()),
        **_discrimination(table, labels, guess),
        **proportion("accuracy", int((guess == target).sum()), len(table)),
        "brier": brier(table, labels),
        "ece": calibration_error(*stated(table, labels)),
        "confusion": _confusion(target, guess, len(labels.names)),
        "threshold": threshold,
        "referred": int((table["decision"] == "refer").sum()),
        "refused": int((table["decision"] == "refused").sum()),
        "subgroups": subgroups(table, labels, threshold),
    }


def against_rest(positive: np.ndarray, guess: np.ndarray, score: np.ndarray) -> Figures:
    """Figures of one class against all others.

    Args:
        positive: (n,) bool, the truth.
        guess: (n,) bool, what the images are called.
        score: (n,), probability of the class.
    """
    area = auc_interval(positive, score) or (None, None, None)
    return {
        "n_positive": int(positive.sum()),
        **dict(zip(("auc", "auc_low", "auc_high"), area, strict=True)),
        **called_right(positive, guess),
    }


def called_right(positive: np.ndarray, guess: np.ndarray) -> Figures:
    """Sensitivity (which is recall), specificity, precision and F1, from truth and call, both (n,) bool."""
    hits, alarms, n = int((positive & guess).sum()), int(guess.sum()), len(positive)
    count = int(positive.sum())
    return {
        **proportion("sensitivity", hits, count),
        **proportion("specificity", n - count - (alarms - hits), n - count),
        **proportion("precision", hits, alarms),
        **proportion("recall", hits, count),
        "f1": 2 * hits / (count + alarms) if count + alarms else None,
    }


def proportion(name: str, count: int, n: int) -> Figures:
    """A share under its name, with its interval and the number that it is of."""
    low, high = wilson(count, n) or (None, None)
    return {name: count / n if n else None, f"{name}_low": low, f"{name}_high": high, f"{name}_n": n}


def brier(table: pd.DataFrame, labels: LabelParams) -> float | None:
    """Mean squared error of the probabilities (Brier 1950): in [0, 1] of the positive class with two classes, in [0, 2]
    summed over the classes with more.
    """
    if table.empty:
        return None
    if labels.positive is not None:
        probability, outcome = stated(table, labels)
        return float(((probability - outcome) ** 2).mean())
    truth = np.eye(len(labels.names))[table["target"].to_numpy()]
    return float(((probabilities(table, labels) - truth) ** 2).sum(axis=1).mean())


def subgroups(table: pd.DataFrame, labels: LabelParams, threshold: float | None) -> list[Figures]:
    """Figures of the images of each site, view and sex, where the split has more than one of them.

    `small` marks a group with fewer than 20 positive or negative images (with more than two classes: 20 images).
    """
    found = []
    for by in ("site", "view", "sex"):
        names = table[by].astype(object).where(table[by].notna(), "not stated")
        if names.nunique() > 1:
            found += [
                {"by": by, "group": str(name), **_subgroup(part, labels, threshold)}
                for name, part in table.groupby(names)
            ]
    return found


def _subgroup(part: pd.DataFrame, labels: LabelParams, threshold: float | None) -> Figures:
    guess, target = called(part, labels, threshold), part["target"].to_numpy()
    figures: Figures = {"n": len(part), **proportion("accuracy", int((guess == target).sum()), len(part))}
    if labels.positive is None:
        return {**figures, "small": len(part) < SMALL}
    positive = target == labels.positive_index
    fewest = min(int(positive.sum()), int((~positive).sum()))
    return {**figures, **called_right(positive, guess == labels.positive_index), "small": fewest < SMALL}


def _discrimination(table: pd.DataFrame, labels: LabelParams, guess: np.ndarray) -> Figures:
    target, chances = table["target"].to_numpy(), probabilities(table, labels)
    each = {
        label: against_rest(target == index, guess == index, chances[:, index])
        for index, label in enumerate(labels.names)
    }
    if labels.positive is not None:
        return each[labels.positive]
    return {"n_positive": None, "classes": each, **{name: _mean(each, name) for name in MEANS}}


def _mean(each: dict[str, Figures], name: str) -> float | None:
    values = [figures[name] for figures in each.values()]
    return None if None in values else float(np.mean(values))


def _confusion(target: np.ndarray, guess: np.ndarray, classes: int) -> list[list[int]]:
    if not len(target):
        return [[0] * classes for _ in range(classes)]
    counts: list[list[int]] = confusion_matrix(target, guess, labels=range(classes)).tolist()
    return counts
