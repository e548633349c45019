"""The report of the monitor: one HTML file with the verdict, the charts and the tables, that needs nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from pipelines.evaluation.figures_text import percent, share
from pipelines.monitoring import charts
from pipelines.monitoring.health import Health
from pipelines.monitoring.policy import Step
from pipelines.monitoring.reference import Reference
from pipelines.monitoring.sentences import WORDS, Verdict, days, labelled, p_value, quartiles
from pipelines.monitoring.truth import Truth
from pipelines.monitoring.windows import Judgement, level
from pipelines.notice import NOTICE
from pipelines.page import Filters, png, rendered
from pipelines.plot_style import as_png
from pipelines.recipe_monitor import MonitorParams

TEMPLATE = "monitoring/report.html.j2"


@dataclass(frozen=True)
class Found:
    """All that one look at a model found.

    Args:
        judgements: of the windows that the log has, in order; the last one is open.
        history: of all windows that were ever judged, see `history.WINDOW_COLUMNS`.
        answers: time of each answer that counted.
        notes: what was left out of log and labels.
        health: of the service, None where nobody asked; `unhealthy` are its faults, and why it could not be asked.
        step: what the policy does.
    """

    reference: Reference
    rules: MonitorParams
    title: str
    now: datetime
    judgements: Sequence[Judgement]
    history: pd.DataFrame
    answers: pd.Series
    notes: Sequence[str]
    truth: Truth | None
    health: Health | None
    unhealthy: Sequence[str]
    verdict: Verdict
    step: Step


def render(found: Found) -> str:
    """The report as HTML."""
    shown = found.judgements[-charts.MOST_WINDOWS :]
    some = any(len(one.window.films) for one in shown)
    names = charts.watched_numbers(found.reference, shown) if some else []
    numbers = {name: charts.number(name, found.reference, shown) for name in names}
    truth, subject = found.truth, found.verdict.subject
    known = truth is not None and any(figure.value is not None for figure in truth.figures)
    facts = {
        "found": found,
        "reference": found.reference,
        "rules": found.rules,
        "numbers": {WORDS[name]: _inline(figure) for name, figure in numbers.items()},
        "decisions": _inline(charts.decisions(found.reference, shown)) if some else None,
        "films": _inline(charts.films(shown, by_day(found.answers, shown))) if some else None,
        "live": _inline(charts.live_figures(truth)) if truth is not None and known else None,
        "labelled": labelled(truth) if truth is not None else None,
        "subject": subject,
        "level": level(found.rules, subject.window.open) if subject is not None else None,
        "history": table(found.history, found.reference.sha256),
        "patients": int(found.reference.films["patient"].nunique()),
        "notice": NOTICE,
    }
    filters: Filters = {
        "share": share,
        "percent": percent,
        "p_value": p_value,
        "days": days,
        "quartiles": quartiles,
        "words": lambda name: WORDS[name],
    }
    return rendered(TEMPLATE, facts, filters)


def by_day(answers: pd.Series, judgements: Sequence[Judgement]) -> list[tuple[pd.Timestamp, int]]:
    """How many answers each day had, from the first of these windows on."""
    lately = answers[answers >= judgements[0].window.start]
    counts = lately.dt.floor("D").value_counts().sort_index()
    return [(pd.Timestamp(str(day)), int(count)) for day, count in counts.items()]


def table(history: pd.DataFrame, model: str) -> list[Mapping[str, Any]]:
    """The windows of a model that were ever judged, the newest first."""
    rows = history[history["model"] == model].sort_values("start", ascending=False)
    return [
        {
            **{str(name): value for name, value in row.items()},
            "drifted": ", ".join(WORDS[name] for name in str(row["drifted"]).split())
            if row["verdict"] == "drift"
            else "",
            "known": not pd.isna(row["p"]),
        }
        for row in rows.to_dict("records")
    ]


def markdown(found: Found) -> str:
    """The verdict for the Prefect UI."""
    lines = [f"# {found.verdict.headline}", *found.verdict.sentences]
    lines += [labelled(found.truth)] if found.truth is not None else []
    lines += [*found.unhealthy, *found.notes, found.step.sentence]
    return "\n\n".join(lines)


def _inline(figure: Figure) -> str:
    return png(as_png(figure))
