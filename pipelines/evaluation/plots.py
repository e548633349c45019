"""The plots of an evaluation: ROC, precision and recall, calibration, confusion. Each is a figure for one PNG.

With two classes a plot has one panel with a curve per split; with more, one panel per split with a curve per class.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve, roc_curve

from pipelines.card import Card
from pipelines.evaluation.calibration import BINS, reliability
from pipelines.evaluation.figures_text import interval, percent, share
from pipelines.evaluation.predictions import patients_of, probabilities, stated
from pipelines.plot_style import COLOURS, DASHES, INK, SOFT, STYLE

Tables = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Curve:
    """One class against the rest, to be drawn: its name, truth (n,) bool, score (n,) and figures."""

    name: str
    positive: np.ndarray
    score: np.ndarray
    figures: Mapping[str, Any]
    look: Mapping[str, Any]

    @property
    def drawable(self) -> bool:
        """Whether both classes are there."""
        return 0 < int(self.positive.sum()) < len(self.positive)


@mpl.rc_context(STYLE)
def plots(tables: Tables, metrics: Mapping[str, Any], card: Card) -> dict[str, Figure]:
    """All plots by name.

    Args:
        tables: of predictions, by split.
        metrics: what metrics.json holds.
    """
    panels = _panels(tables, metrics, card)
    return {
        "roc": roc(panels),
        "precision_recall": precision_recall(panels),
        "calibration": calibration(tables, metrics, card),
        "confusion": confusion(metrics, card),
    }


def roc(panels: Mapping[str, list[Curve]]) -> Figure:
    """Sensitivity against false alarms; the dot is the threshold of the card."""
    figure, axes = _squares(panels, "False positive rate (1 - specificity)", "Sensitivity")
    for axis, curves in zip(axes, panels.values(), strict=True):
        axis.plot([0, 1], [0, 1], color=SOFT, linewidth=1)
        for curve in curves:
            label = f"{curve.name}: {_figure(curve.figures, 'auc', 'AUC')}"
            if curve.drawable:
                x, y, _ = roc_curve(curve.positive, curve.score, drop_intermediate=True)
                axis.plot(x, y, label=label, **curve.look)
                _dot(axis, curve, 1 - curve.figures["specificity"], curve.figures["sensitivity"])
            else:
                axis.plot([], [], label=f"{curve.name}: one class alone", **curve.look)
        _legend(axis, curves)
    return figure


def precision_recall(panels: Mapping[str, list[Curve]]) -> Figure:
    """Precision against recall, with the average precision; the dot is the threshold of the card."""
    figure, axes = _squares(panels, "Recall (sensitivity)", "Precision")
    for axis, curves in zip(axes, panels.values(), strict=True):
        for curve in curves:
            if curve.drawable:
                y, x, _ = precision_recall_curve(curve.positive, curve.score)
                precision = _figure(curve.figures, "average_precision", "average precision")
                label = f"{curve.name}: {precision}, {percent(curve.positive.mean())} positive"
                axis.step(x, y, where="post", label=label, **curve.look)
                _dot(axis, curve, curve.figures["recall"], curve.figures["precision"])
            else:
                axis.plot([], [], label=f"{curve.name}: one class alone", **curve.look)
        _legend(axis, curves)
    return figure


def calibration(tables: Tables, metrics: Mapping[str, Any], card: Card) -> Figure:
    """What the model promised against what came true, with intervals, and how often it promised what."""
    figure = Figure(figsize=(5.4, 6.8), layout="constrained")
    curve, below = figure.subplots(2, 1, sharex=True, height_ratios=[3.4, 1])
    curve.plot([0, 1], [0, 1], color=SOFT, linewidth=1)
    for index, (split, table) in enumerate(tables.items()):
        look, figures = _look(index), metrics[split]
        label = f"{split}: ECE {share(figures['ece'])}, Brier {share(figures['brier'])}, n {figures['n']:,}"
        probability, outcome = stated(table, card.labels)
        _reliability(curve, reliability(probability, outcome, patients_of(table)), look, label)
        shares = np.full(len(probability), 1 / max(len(probability), 1))
        below.hist(probability, bins=BINS, range=(0, 1), weights=shares, histtype="step", **look)
    binary = card.labels.positive is not None
    curve.set(ylabel=f"Share that is {card.labels.positive}" if binary else "Share called rightly", ylim=(-0.02, 1.02))
    below.set(xlabel="Probability of the model" if binary else "Probability of the class called", xlim=(-0.02, 1.02))
    below.set_ylabel("Share of images")
    below.legend(*curve.get_legend_handles_labels(), loc="upper left", bbox_to_anchor=(0, -0.45), borderaxespad=0)
    return figure


def confusion(metrics: Mapping[str, Any], card: Card) -> Figure:
    """Truth in rows, what the images are called in columns; colour and percentage are of the row."""
    names, size = card.labels.names, max(2.9, 0.5 * len(card.labels.names) + 1.2)
    figure = Figure(figsize=(size * len(metrics) + 0.4, size), layout="constrained")
    axes = figure.subplots(1, len(metrics), squeeze=False)[0]
    for axis, (split, figures) in zip(axes, metrics.items(), strict=True):
        _matrix(axis, np.array(figures["confusion"]), names)
        axis.set_title(f"{split}, n {figures['n']:,}")
        axis.set_xlabel("Called")
    axes[0].set_ylabel("Truth")
    return figure


def _panels(tables: Tables, metrics: Mapping[str, Any], card: Card) -> dict[str, list[Curve]]:
    labels = card.labels
    if labels.positive is not None:
        column = labels.positive_index
        return {
            "": [
                Curve(
                    split,
                    (table["target"] == column).to_numpy(),
                    probabilities(table, labels)[:, column],
                    metrics[split],
                    _look(index),
                )
                for index, (split, table) in enumerate(tables.items())
            ]
        }
    return {
        split: [
            Curve(
                label,
                (table["target"] == index).to_numpy(),
                probabilities(table, labels)[:, index],
                metrics[split]["classes"][label],
                {**_look(index), "linewidth": 1.3},
            )
            for index, label in enumerate(labels.names)
        ]
        for split, table in tables.items()
    }


def _look(index: int) -> dict[str, Any]:
    dash = DASHES[(index + 2 * (index // len(COLOURS))) % len(DASHES)]
    return {"color": COLOURS[index % len(COLOURS)], "linestyle": dash, "linewidth": 1.9}


def _squares(panels: Mapping[str, list[Curve]], x: str, y: str) -> tuple[Figure, list[Axes]]:
    lines = max(len(curves) for curves in panels.values())
    figure = Figure(figsize=(5.4 * len(panels), 5.5 + 0.22 * lines), layout="constrained")
    axes = list(figure.subplots(1, len(panels), squeeze=False)[0])
    for axis, title in zip(axes, panels, strict=True):
        axis.set(xlabel=x, ylabel=y, title=title, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal", anchor="N")
    return figure, axes


def _dot(axis: Axes, curve: Curve, x: float | None, y: float | None) -> None:
    if curve.figures.get("threshold") is not None and x is not None and y is not None:
        axis.plot(x, y, "o", color=curve.look["color"], markersize=8, markeredgecolor="white", zorder=5)


def _legend(axis: Axes, curves: list[Curve]) -> None:
    threshold = curves[0].figures.get("threshold") if curves else None
    if threshold is not None:
        axis.plot([], [], "o", color=INK, markersize=7, label=f"at the threshold {threshold:.3f}")
    axis.legend(loc="upper left", bbox_to_anchor=(0, -0.13), borderaxespad=0)


def _reliability(axis: Axes, bins: pd.DataFrame, look: Mapping[str, Any], label: str) -> None:
    axis.plot(bins["probability"], bins["observed"], marker="o", markersize=5, label=label, **look)
    axis.vlines(bins["probability"], bins["low"], bins["high"], color=look["color"], linewidth=1, alpha=0.6)


def _matrix(axis: Axes, counts: np.ndarray, names: tuple[str, ...]) -> None:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    few = len(names) <= 4
    for (row, column), count in np.ndenumerate(counts):
        text = f"{count}\n{shares[row, column] * 100:.1f} %" if few else str(count)
        colour = "white" if shares[row, column] > 0.5 else INK
        axis.text(column, row, text, ha="center", va="center", color=colour, fontsize=11 if few else 8)
    axis.set_xticks(range(len(names)), names, rotation=0 if few else 60)
    axis.set_yticks(range(len(names)), names, rotation=90 if few else 0, va="center")
    axis.grid(visible=False)
    axis.tick_params(length=0)


def _figure(figures: Mapping[str, Any], name: str, title: str) -> str:
    ends = interval(figures, name)
    return f"{title} {share(figures.get(name))}" + (f" ({ends})" if ends else "")
