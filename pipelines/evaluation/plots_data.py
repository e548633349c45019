"""The plot of the data behind a model: what gives the label away without the film."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from pipelines.plot_style import COLOURS, INK, SOFT, STYLE

CHANCE, GAP = 0.5, 0.6
LEFT, REMOVED, BOTH = COLOURS[1], COLOURS[5], SOFT
TOGETHER = {
    "left": ("all left, together", LEFT),
    "removed": ("all removed, together", REMOVED),
    "all": ("all together", BOTH),
}


@mpl.rc_context(STYLE)
def shortcuts(audited: Mapping[str, Any]) -> Figure:
    """A bar for each property that differs between images, the best guess first, and below them all together.

    Args:
        audited: what shortcuts.json holds.
    """
    rows = [(entry["name"], entry, REMOVED if entry["removed"] else LEFT) for entry in told(audited)]
    sums = [(name, audited["together"][kind], colour) for kind, (name, colour) in TOGETHER.items()] if rows else []
    places = [float(place) for place in range(len(rows))] + [len(rows) + GAP + place for place in range(len(sums))]
    figure = Figure(figsize=(6.8, 1.5 + 0.34 * max(len(places), 2)), layout="constrained")
    axis = figure.subplots()
    for place, (_, entry, colour) in zip(places, [*rows, *sums], strict=True):
        _bar(axis, place, entry, colour)
    axis.set_yticks(places, [name for name, *_ in [*rows, *sums]])
    axis.set(xlim=(CHANCE, 1), ylim=(max(places, default=0.0) + GAP, -GAP))
    axis.set_xlabel("AUC of guessing the label: 0.5 is chance, 1 is always right")
    axis.grid(visible=False, axis="y")
    axis.tick_params(axis="y", length=0)
    if not rows:
        axis.text(0.75, 0, "Nothing to guess from", ha="center", va="center", color=SOFT)
    _legend(figure, _limit(axis, audited))
    return figure


def told(audited: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The properties whose guess was measured: those that differ between images, the best guess first."""
    return [entry for entry in audited["properties"] if entry["auc"] is not None and entry["note"] is None]


def _bar(axis: Axes, place: float, entry: Mapping[str, Any], colour: str) -> None:
    """A guess as a bar, its interval as a line, and its AUC in figures outside the frame."""
    if entry["auc"] is not None:
        axis.barh(place, max(entry["auc"] - CHANCE, 0), left=CHANCE, height=0.72, color=colour)
        axis.text(1.015, place, f"{entry['auc']:.3f}", va="center", color=INK)
    if entry["auc_low"] is not None:
        axis.plot(
            [max(entry["auc_low"], CHANCE), max(entry["auc_high"], CHANCE)], [place] * 2, color=INK, linewidth=1.3
        )


def _limit(axis: Axes, audited: Mapping[str, Any]) -> list[Line2D]:
    if audited["limit"] is None or audited["severity"] == "off":
        return []
    label = f"limit of the recipe, {audited['limit']:g}"
    return [axis.axvline(audited["limit"], color=INK, linestyle=(0, (4, 3)), linewidth=1.2, label=label)]


def _legend(figure: Figure, limit: Sequence[Line2D]) -> None:
    keys = [
        Patch(color=LEFT, label="left for the model to see"),
        Patch(color=REMOVED, label="removed by preparation"),
        Line2D([], [], color=INK, linewidth=1.3, label="95 % interval"),
        *limit,
    ]
    figure.legend(handles=keys, loc="outside lower center", ncols=2)
