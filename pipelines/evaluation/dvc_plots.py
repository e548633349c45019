"""Curves as CSV files, for `dvc plots`: the ROC, the calibration and the confusion of any two runs in one picture.

dvc.yaml says how they are drawn. They are of the test split.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_curve

from pipelines.evaluation.calibration import reliability
from pipelines.evaluation.predictions import called, patients_of, probabilities, stated
from pipelines.recipe import LabelParams

ROC = ["false_positive_rate", "sensitivity"]
CALIBRATION = ["probability", "observed", "n"]
CONFUSION = ["actual", "predicted"]
GRID = np.linspace(0, 1, 101)


def write_dvc_plots(
    folder: Path, tables: Mapping[str, pd.DataFrame], labels: LabelParams, threshold: float | None
) -> None:
    """Write `roc.csv`, `calibration.csv` and `confusion.csv` of the test split into a folder.

    Args:
        tables: of predictions, by split.
        threshold: probability from which an image is called positive; None with more than two classes.
    """
    table = tables["test"]
    curves = {
        "roc": roc(table, labels),
        "calibration": reliability(*stated(table, labels), patients_of(table))[CALIBRATION],
        "confusion": confusion(table, labels, threshold),
    }
    for name, curve in curves.items():
        curve.to_csv(folder / f"{name}.csv", index=False, float_format="%.6g", lineterminator="\n")


def roc(table: pd.DataFrame, labels: LabelParams) -> pd.DataFrame:
    """Columns `false_positive_rate` and `sensitivity`, both rising from 0 to 1; no rows where a class has no images.

    With two classes the corners of the positive class's curve. With more the mean of the classes' curves, each against
    the rest, at equal false positive rates (vertical averaging; Fawcett 2006, 10.1016/j.patrec.2005.10.010).
    """
    target, chances = table["target"].to_numpy(), probabilities(table, labels)
    classes = [labels.positive_index] if labels.positive is not None else range(len(labels.names))
    if any(np.unique(target == index).size < 2 for index in classes):
        return pd.DataFrame(columns=ROC)
    curves = [roc_curve(target == index, chances[:, index])[:2] for index in classes]
    if len(curves) == 1:
        return pd.DataFrame(dict(zip(ROC, curves[0], strict=True)))
    mean = np.mean([_at_grid(*curve) for curve in curves], axis=0)
    return pd.DataFrame(dict(zip(ROC, (np.r_[0, GRID], np.r_[0, mean]), strict=True)))


def confusion(table: pd.DataFrame, labels: LabelParams, threshold: float | None) -> pd.DataFrame:
    """Columns `actual` and `predicted`, names of labels, one row per image; referred and refused images count."""
    names = np.array(labels.names)
    pair = (names[table["target"].to_numpy()], names[called(table, labels, threshold)])
    return pd.DataFrame(dict(zip(CONFUSION, pair, strict=True)))


def _at_grid(false_positives: np.ndarray, sensitivity: np.ndarray) -> np.ndarray:
    """A curve's sensitivity at each rate of GRID, the upper end where it rises straight up."""
    last = np.r_[false_positives[1:] > false_positives[:-1], True]
    return np.interp(GRID, false_positives[last], sensitivity[last])
