"""Windows: whole days that follow each other without a gap, each judged once it is over, and the open one so far.

A window begins at midnight UTC; one of seven days begins on a Monday. OPEN of the share of false alarms is spent while
a window is open, however often it is looked at, and the rest once it is over: a gross fault is noticed at once, and
looking often raises hardly more false alarms.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import pandas as pd

from pipelines.monitoring.shift import Shift, Side, shifts
from pipelines.recipe_monitor import MonitorParams

ANCHOR = datetime(1970, 1, 5, tzinfo=UTC)  # a Monday
OPEN = 0.1
Verdict = Literal["drift", "quiet", "too few"]


@dataclass(frozen=True)
class Window:
    """Some days and what was answered in them.

    Args:
        films: one row for each different film, with the last answer to it.
        open: whether it is not over yet.
    """

    start: datetime
    end: datetime
    open: bool
    films: pd.DataFrame


@dataclass(frozen=True)
class Judgement:
    """On one window.

    Args:
        shifts: of each statistic, the most certain first; none where there are too few films.
    """

    window: Window
    verdict: Verdict
    shifts: tuple[Shift, ...]

    @property
    def drifted(self) -> tuple[Shift, ...]:
        """The statistics that raise the alarm."""
        return tuple(shift for shift in self.shifts if shift.drifted)


def cut(films: pd.DataFrame, days: int, now: datetime) -> Iterator[Window]:
    """The windows that have films, in order, and the one in which now lies.

    Args:
        films: with `time` (UTC) and `sha256`, by time.
    """
    last = first_day(now, days)
    starts = pd.Series([first_day(time, days) for time in films["time"]], index=films.index, dtype=object)
    for start in sorted({*starts, last}):
        chosen = films[starts == start].drop_duplicates("sha256", keep="last")
        yield Window(start, start + timedelta(days=days), start == last, chosen)


def first_day(time: datetime, days: int) -> datetime:
    """Start of the window in which a time lies."""
    return ANCHOR + (time - ANCHOR) // timedelta(days=days) * timedelta(days=days)


def level(rules: MonitorParams, still_open: bool) -> float:
    """The share of windows without drift in which an alarm may be raised, of looks while it is open or of the last."""
    return rules.false_alarms * (OPEN if still_open else 1 - OPEN)


def judge(window: Window, watched: Sequence[Side], rules: MonitorParams) -> Judgement:
    """Hold a window against the reference."""
    if len(window.films) < rules.films:
        return Judgement(window, "too few", ())
    found = tuple(shifts(watched, window.films, level(rules, window.open), rules.least_distance))
    return Judgement(window, "drift" if any(shift.drifted for shift in found) else "quiet", found)
