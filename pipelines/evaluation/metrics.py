"""The figures of a model, each from the table of predictions and the threshold alone.

All images count, those that the service would refer or refuse as well: nothing is hidden by not answering.
A figure that the images cannot give is None, and `not_estimable` says why; `<name>_low` and `<name>_high` are its 95 %
interval over patients (`pipelines.intervals`), `<name>_n` the number of images that it is of.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix

from pipelines.evaluation.calibration import calibration_error
from pipelines.evaluation.heat_figures import heat_figures
from pipelines.evaluation.predictions import called, patients_of, probabilities, stated
from pipelines.evaluation.predictive_values import predictive_values
from pipelines.evaluation.rest import Calls, against_rest, macro
from pipelines.evaluation.subgroups import subgroups, worst
from pipelines.intervals import mean, proportion
from pipelines.recipe import LabelParams

Figures = dict[str, Any]


def measure(
    table: pd.DataFrame, labels: LabelParams, threshold: float | None, prevalences: Sequence[float] = ()
) -> Figures:
    """All figures of one split.

    Args:
        table: of predictions, of one split.
        threshold: probability from which an image is called positive; None with more than two classes.
        prevalences: shares of positive images at which predictive values are stated.
    Returns:
        What metrics.json holds of a split: with more than two classes, sensitivity and the like are means over the
        classes, each against the rest, and `classes` has the figures of each class.
    """
    guess, target, patients = called(table, labels, threshold), table["target"].to_numpy(), patients_of(table)
    everything = np.ones(len(table), dtype=bool)
    groups = subgroups(table, labels, threshold)
    figures = {
        "n": len(table),
        "n_patients": int(patients.max(initial=-1)) + 1,
        **_discrimination(table, labels, guess, patients),
        **proportion(guess == target, everything, patients).named("accuracy"),
        **_calibration(table, labels, patients),
        **predictive_values(figures_of(table, labels, guess, patients), prevalences),
        **heat_figures(table, patients),
        "confusion": _confusion(target, guess, len(labels.names)),
        "threshold": threshold,
        **_answers(table, guess, patients),
        "subgroups": groups,
        "worst": worst(groups),
    }
    return {**figures, "not_estimable": reasons(figures)}


def figures_of(table: pd.DataFrame, labels: LabelParams, guess: np.ndarray, patients: np.ndarray) -> Calls | None:
    """Truth and call of the positive class; None with more than two classes."""
    if labels.positive is None:
        return None
    yes = labels.positive_index
    return Calls((table["target"] == yes).to_numpy(), guess == yes, table["probability"].to_numpy(), patients)


def brier_losses(table: pd.DataFrame, labels: LabelParams) -> np.ndarray:
    """Squared error of the probabilities of each image (Brier 1950), (n,): in [0, 1] of the positive class with two
    classes, in [0, 2] summed over the classes with more.
    """
    if labels.positive is not None:
        probability, outcome = stated(table, labels)
        return (probability - outcome) ** 2
    truth = np.eye(len(labels.names))[table["target"].to_numpy()]
    return ((probabilities(table, labels) - truth) ** 2).sum(axis=1)


def reasons(figures: Figures) -> dict[str, str]:
    """Why a figure cannot be estimated, by its name."""
    lacking = {
        "sensitivity": "no positives",
        "recall": "no positives",
        "specificity": "no negatives",
        "precision": "nothing is called positive",
        "npv": "nothing is called negative",
        "f1": "no positives, and nothing is called positive",
        "average_precision": "no positives",
    }
    if figures.get("n_positive") is not None:
        lacking["auc"] = "no negatives" if figures["n_positive"] else "no positives"
    else:
        lacking = dict.fromkeys((*lacking, "auc"), "a class without images, or that no image is called")
    lacking |= dict.fromkeys(("pointing_game", "heat_inside"), "no image has a mask and heat")
    lacking["answered_wrongly"] = "every image is referred or refused"
    lacking["heat_outside_body"] = "no heat, or images that show no body on a dark ground"
    unknown = {name: why for name, why in lacking.items() if name in figures and figures[name] is None}
    return dict.fromkeys(("auc", "accuracy", "brier", "ece"), "no images") | unknown if not figures["n"] else unknown


def _discrimination(table: pd.DataFrame, labels: LabelParams, guess: np.ndarray, patients: np.ndarray) -> Figures:
    target, chances = table["target"].to_numpy(), probabilities(table, labels)
    each = {
        label: Calls(target == index, guess == index, chances[:, index], patients)
        for index, label in enumerate(labels.names)
    }
    if labels.positive is not None:
        return against_rest(each[labels.positive])
    return {
        "n_positive": None,
        "classes": {label: against_rest(calls) for label, calls in each.items()},
        **macro(list(each.values())),
        **_top(chances, target, patients),
    }


def _top(chances: np.ndarray, target: np.ndarray, patients: np.ndarray) -> Figures:
    """Share of images whose class is among the k most probable, where that is less than all of them."""
    rank = (chances > np.take_along_axis(chances, target[:, None], axis=1)).sum(axis=1)
    everything = np.ones(len(target), dtype=bool)
    found: Figures = {}
    for k in (2, 3):
        if k < chances.shape[1]:
            found |= proportion(rank < k, everything, patients).named(f"top_{k}")
    return found


def _calibration(table: pd.DataFrame, labels: LabelParams, patients: np.ndarray) -> Figures:
    losses, largest = brier_losses(table, labels), 1 if labels.positive is not None else 2
    score = {
        name: value if value is None or name == "brier_n" else value * largest
        for name, value in mean(losses / largest, patients).named("brier").items()
    }
    return {**score, **calibration_error(*stated(table, labels), patients).named("ece")}


def _answers(table: pd.DataFrame, guess: np.ndarray, patients: np.ndarray) -> Figures:
    """How many images the service would leave to a person or refuse, and how often it errs on the others."""
    answered = ~table["decision"].isin(["refer", "refused"]).to_numpy()
    return {
        "referred": int((table["decision"] == "refer").sum()),
        "refused": int((table["decision"] == "refused").sum()),
        **proportion(guess != table["target"].to_numpy(), answered, patients).named("answered_wrongly"),
    }


def _confusion(target: np.ndarray, guess: np.ndarray, classes: int) -> list[list[int]]:
    if not len(target):
        return [[0] * classes for _ in range(classes)]
    counts: list[list[int]] = confusion_matrix(target, guess, labels=range(classes)).tolist()
    return counts
