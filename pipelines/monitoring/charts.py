"""The charts of the monitor: what each window was like, beside the films that the model was tested on."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipelines.monitoring.reference import ANSWERS, NUMBERS, Reference
from pipelines.monitoring.sentences import WORDS
from pipelines.monitoring.truth import Truth
from pipelines.monitoring.windows import Judgement
from pipelines.plot_style import COLOURS, SOFT, STYLE

MOST_WINDOWS = 52
SIZE, WIDE = (5.2, 2.6), (10.6, 2.6)
ALARM, OURS = COLOURS[1], COLOURS[0]
DECISIONS = {"negative": COLOURS[2], "refer": COLOURS[4], "positive": COLOURS[0], "refused": COLOURS[6]}


def watched_numbers(reference: Reference, judgements: Sequence[Judgement]) -> list[str]:
    """The numbers worth a chart: those that vary, in the reference or since."""
    names = [name for name in (*ANSWERS, *NUMBERS) if reference.films[name].notna().any()]
    columns = [pd.concat([reference.films[name], *(one.window.films[name] for one in judgements)]) for name in names]
    return [name for name, column in zip(names, columns, strict=True) if column.dropna().nunique() > 1]


@mpl.rc_context(STYLE)
def number(name: str, reference: Reference, judgements: Sequence[Judgement]) -> Figure:
    """Median and quartiles of a number by window; the band has the middle half of the reference. A drift is marked."""
    figure = Figure(figsize=SIZE)
    axis = figure.subplots()
    low, middle, high = np.quantile(reference.films[name].dropna(), [0.25, 0.5, 0.75])
    axis.axhspan(low, high, color=SOFT, alpha=0.22, linewidth=0)
    axis.axhline(middle, color=SOFT, linewidth=1.2)
    full = [one for one in judgements if len(one.window.films)]
    for judgement in full:
        found = np.quantile(judgement.window.films[name], [0.25, 0.5, 0.75])
        alarm = name in {shift.name for shift in judgement.drifted}
        ink = ALARM if alarm else OURS
        faint = 0.35 if judgement.verdict == "too few" else 1.0
        day = float(date2num(judgement.window.start))
        axis.plot([day, day], found[[0, 2]], color=ink, linewidth=2, alpha=faint, solid_capstyle="butt")
        axis.plot([day], [found[1]], "D" if alarm else "o", color=ink, markersize=6, alpha=faint)
    axis.set_title(WORDS[name][0].upper() + WORDS[name][1:])
    _days(axis, full)
    return figure


@mpl.rc_context(STYLE)
def decisions(reference: Reference, judgements: Sequence[Judgement]) -> Figure:
    """Shares of the decisions by window, the reference at the left."""
    figure = Figure(figsize=WIDE, layout="constrained")
    left, axis = figure.subplots(1, 2, width_ratios=[1, 12], sharey=True)
    full = [one for one in judgements if len(one.window.films)]
    parts = [reference.films["decision"], *(one.window.films["decision"] for one in full)]
    names = [*(name for name in DECISIONS if any((part == name).any() for part in parts))]
    names += sorted({str(name) for part in parts for name in part.unique()} - set(names))
    spare = [colour for colour in COLOURS if colour not in DECISIONS.values()]
    inks = {name: DECISIONS.get(name, spare[k % len(spare)]) for k, name in enumerate(names)}
    _bars(left, [0.0], parts[:1], inks, 0.8)
    left.set(xticks=[0.4], xticklabels=["test"], ylabel="Share of films", ylim=(0, 1))
    left.grid(visible=False, axis="x")
    _bars(axis, [float(date2num(one.window.start)) for one in full], parts[1:], inks, _width(full))
    _days(axis, full)
    _legend(figure, axis)
    return figure


@mpl.rc_context(STYLE)
def films(judgements: Sequence[Judgement], days: Sequence[tuple[pd.Timestamp, int]]) -> Figure:
    """Different films by day.

    Args:
        days: midnight of each day with films, and how many it had.
    """
    figure = Figure(figsize=WIDE)
    axis = figure.subplots()
    axis.bar(
        [float(date2num(day)) for day, _ in days], [count for _, count in days], width=0.8, align="edge", color=OURS
    )
    axis.set_ylabel("Films a day")
    axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    _days(axis, [one for one in judgements if len(one.window.films)])
    return figure


@mpl.rc_context(STYLE)
def live_figures(truth: Truth) -> Figure:
    """Each figure of films with a label, beside that of the release, with 95 % intervals."""
    shown = [figure for figure in truth.figures if figure.value is not None]
    figure = Figure(figsize=(SIZE[0], 0.8 + 0.75 * len(shown)), layout="constrained")
    axis = figure.subplots()
    for row, one in enumerate(shown):
        if one.released is not None and one.released_low is not None:
            _interval(axis, row - 0.15, (one.released, one.released_low, one.released_high), SOFT, "at the release")
        ink = ALARM if one.implausible else OURS
        _interval(axis, row + 0.15, (one.value, one.low, one.high), ink, "at work")
    axis.set(yticks=range(len(shown)), yticklabels=[one.name for one in shown], xlim=(-0.02, 1.02))
    axis.set_ylim(len(shown) - 0.5, -0.5)
    _legend(figure, axis)
    return figure


def _interval(axis: Axes, row: float, ends: tuple[float | None, ...], ink: str, label: str) -> None:
    value, low, high = (np.nan if end is None else end for end in ends)
    axis.plot([low, high], [row, row], color=ink, linewidth=2, label=label)
    axis.plot([value], [row], "o", color=ink, markersize=6)


def _legend(figure: Figure, axis: Axes) -> None:
    """A legend beside the axis, each name once."""
    handles, labels = axis.get_legend_handles_labels()
    shown = dict(zip(reversed(labels), reversed(handles), strict=True))  # the first of a name stands for it
    names = list(dict.fromkeys(labels))
    figure.legend([shown[name] for name in names], names, loc="outside right center")


def _bars(axis: Axes, places: Sequence[float], parts: Sequence[pd.Series], inks: dict[str, str], width: float) -> None:
    base = np.zeros(len(parts))
    for name, ink in inks.items():
        heights = np.array([float((part == name).mean()) for part in parts])
        axis.bar(places, heights, width=width, bottom=base, color=ink, label=name, align="edge")
        base += heights


def _width(full: Sequence[Judgement]) -> float:
    return 0.86 * (full[0].window.end - full[0].window.start).days if full else 1.0


def _days(axis: Axes, full: Sequence[Judgement]) -> None:
    """Days below, all windows in sight."""
    locator = AutoDateLocator(minticks=2, maxticks=7)
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axis.grid(visible=False, axis="x")
    if full:
        room = full[0].window.end - full[0].window.start
        axis.set_xlim(full[0].window.start - room / 3, full[-1].window.end + room / 3)  # type: ignore[arg-type]
