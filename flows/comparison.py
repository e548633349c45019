"""The runs of a search side by side: a table, and a plot of how each came to its figure."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipelines.plot_style import COLOURS, DASHES, DPI, FAINT, INK, styled
from pipelines.stage import fresh_file

FIGURES = ("auc", "accuracy", "loss")
NAMES = {"auc": "AUC", "accuracy": "accuracy", "loss": "cross-entropy"}
Row = dict[str, Any]


def ranked(rows: Sequence[Row], monitor: str) -> list[Row]:
    """The runs, best first by their validation figure; those that failed stand last.

    Args:
        rows: `changed`, and either `failed` or `auc`, `accuracy`, `loss` and `history` of validation.
        monitor: the figure that the recipe goes by.
    """
    worst = float("inf")
    sign = 1 if monitor == "loss" else -1
    return sorted(rows, key=lambda row: worst if "failed" in row else sign * row[monitor])


def write_comparison(folder: Path, recipe: str, rows: Sequence[Row], monitor: str) -> None:
    """Write `runs.csv`, `runs.txt` and `runs.png` for runs in their order."""
    table = pd.DataFrame([{"rank": place, **_flat(row)} for place, row in enumerate(rows, start=1)])
    with fresh_file(folder / "runs.csv") as beside:
        table.to_csv(beside, index=False)
    with fresh_file(folder / "runs.txt") as beside:
        beside.write_text(_text(recipe, rows, monitor), encoding="utf-8")
    done = [row for row in rows if "failed" not in row]
    if done:
        with fresh_file(folder / "runs.png") as beside, styled():
            draw(recipe, done, monitor).savefig(beside, dpi=DPI, format="png", metadata={"Software": None})


def draw(recipe: str, rows: Sequence[Row], monitor: str) -> Figure:
    """Left the figure of each run, best on top; right how validation went, epoch by epoch, for the best eight."""
    figure = Figure(figsize=(12, max(3.2, 1.6 + 0.34 * len(rows))), layout="constrained")
    dots, curves = figure.subplots(1, 2, width_ratios=(3, 2))
    places = range(len(rows), 0, -1)
    values = [row[monitor] for row in rows]
    dots.scatter(values, places, color=INK, zorder=3)
    for place, row in zip(places, rows, strict=True):
        dots.annotate(f"{row[monitor]:.4f}", (row[monitor], place), (7, 0), textcoords="offset points", va="center")
    dots.set_yticks(list(places), [row["changed"].replace(" ", "\n") for row in rows], fontsize=8)
    dots.set_ylim(0.4, len(rows) + 0.6)
    dots.margins(x=0.18)
    dots.grid(axis="y", color=FAINT)
    dots.set_title(f"{recipe}: {NAMES[monitor]} on validation, {len(rows)} runs")
    for place, row in enumerate(rows[: len(COLOURS)]):
        course = [epoch[f"val_{monitor}"] for epoch in row["history"]]
        look = {"color": COLOURS[place], "linestyle": DASHES[place % len(DASHES)], "label": row["changed"]}
        look |= {"marker": "o", "markersize": 3}
        curves.plot(range(1, len(course) + 1), course, **look)
    curves.set_title("epoch by epoch")
    curves.set_xlabel("epoch")
    curves.xaxis.set_major_locator(MaxNLocator(integer=True))
    curves.legend(fontsize=7)
    return figure


def _flat(row: Row) -> Row:
    return {key: value for key, value in row.items() if key != "history"}


def _text(recipe: str, rows: Sequence[Row], monitor: str) -> str:
    lines = [f"{recipe}, best first by {NAMES[monitor]} on validation", ""]
    for place, row in enumerate(rows, start=1):
        if "failed" in row:
            lines.append(f"  {'-':>3}  failed: {row['failed']}  [{row['changed']}]")
        else:
            figures = "  ".join(f"{name} {row[name]:.4f}" for name in FIGURES)
            lines.append(f"  {place:>3}  {figures}  {row['experiment']}  [{row['changed']}]")
    return "\n".join([*lines, ""])
