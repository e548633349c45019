"""What monitoring found, in words: one headline, and the sentences behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pipelines.evaluation.figures_text import percent, share
from pipelines.monitoring.reference import SHARES
from pipelines.monitoring.shift import Shift
from pipelines.monitoring.truth import Figure, Truth
from pipelines.monitoring.windows import Judgement, Window

WORDS = {
    "mean": "mean grey level",
    "std": "contrast of grey levels",
    "dark": "share of black",
    "bright": "share of white",
    "border": "grey level of the border",
    "colour": "colour",
    "width": "width in pixels",
    "height": "height in pixels",
    "bytes": "size of the file in bytes",
    "bits": "bits a channel",
    "probability": "probability",
    "familiarity": "familiarity",
    "decision": "decision",
    "mode": "mode of the picture",
}
IN_PERCENT = ("dark", "bright")
Kind = Literal["drift", "worse", "quiet", "too few", "no data"]
HEADLINES: dict[Kind, str] = {
    "drift": "Drift.",
    "worse": "The figures of the release no longer hold.",
    "quiet": "No drift.",
    "too few": "Too little data.",
    "no data": "No data.",
}


@dataclass(frozen=True)
class Verdict:
    """What is said on top.

    Args:
        kind: `worse` only where no statistic drifted: drift comes first.
        sentences: behind the headline.
        subject: the judgement that it rests on; None where no window of late could be judged.
    """

    kind: Kind
    sentences: tuple[str, ...]
    subject: Judgement | None

    @property
    def headline(self) -> str:
        """The verdict in a few words."""
        return HEADLINES[self.kind]


def verdict(judgements: Sequence[Judgement], since: str | None, truth: Truth | None, least: int) -> Verdict:
    """The verdict on a model.

    It rests on the open window, or, where that has too few films yet, on the one before.

    Args:
        judgements: in order; the last one is of the open window.
        since: day on which the drift began, see `policy.episode`.
        truth: what late labels say.
        least: films of a window that a judgement needs.
    """
    *before, now = judgements
    sentences, subject = [], now if now.verdict != "too few" else None
    if subject is None:
        sentences.append(f"{too_few(now.window, least)}.")
        if before and before[-1].window.end == now.window.start:
            subject = before[-1] if before[-1].verdict != "too few" else None
            if subject is None:
                sentences.append(f"{too_few(before[-1].window, least)}.")
    kind: Kind = "no data" if not any(len(one.window.films) for one in judgements) else "too few"
    if subject is not None:
        kind = "drift" if subject.verdict == "drift" else "quiet"
        sentences = [*_judged(subject, since), *sentences]
    if truth is not None and truth.implausible:
        kind = "worse" if kind != "drift" else kind
        sentences = [*(implausible(figure) for figure in truth.implausible), *sentences]
    return Verdict(kind, tuple(sentences), subject)


def too_few(window: Window, least: int) -> str:
    """How many films a window has, and how many it needs."""
    films = len(window.films)
    return f"{films or 'No'} {'film' if films == 1 else 'films'} {days(window)}, {least} are needed"


def days(window: Window) -> str:
    """A window as people write it."""
    if window.open:
        return f"since {_day(window.start)}"
    return f"from {_day(window.start)} to {_day(window.end - timedelta(days=1))}"


def shifted(shift: Shift) -> str:
    """How a statistic moved, with distance and adjusted p."""
    return f"{_moved(shift)} (distance {shift.distance:.2f}, {p_value(shift.adjusted)})"


def p_value(p: float) -> str:
    """A p value, with two digits."""
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"


def quartiles(shift: Shift, which: Literal["was", "now"]) -> str:
    """Median and quartiles of a number, or the shares of categories."""
    found = shift.was if which == "was" else shift.now
    if shift.name in SHARES:
        return ", ".join(f"{name} {percent(value)}" for name, value in sorted(found.items(), key=lambda pair: -pair[1]))
    if not found:
        return "unknown"
    low, middle, high = (value(shift.name, found[end]) for end in ("low", "median", "high"))
    return middle if low == high else f"{middle} ({low} to {high})"


def value(name: str, number: float) -> str:
    """A value of a statistic, as long as it needs to be."""
    if name in IN_PERCENT:
        return percent(number)
    if name in ("probability", "familiarity"):
        return share(number)
    return f"{number:,.0f}" if abs(number) >= 1000 or number == round(number) else f"{number:.3g}"


def implausible(figure: Figure) -> str:
    """A figure that no longer holds."""
    return (
        f"{figure.name.capitalize()} is {share(figure.value)} ({share(figure.low)} to {share(figure.high)}) of "
        f"{figure.n:,} films with a label; at the release it was {share(figure.released)} "
        f"({share(figure.released_low)} to {share(figure.released_high)})."
    )


def labelled(truth: Truth) -> str:
    """How many films have a label."""
    return f"{truth.labelled:,} of {truth.labelled + truth.without:,} films have a label so far."


def _judged(judgement: Judgement, since: str | None) -> list[str]:
    """On the window that the verdict rests on."""
    window, films = judgement.window, f"{len(judgement.window.films):,} films {days(judgement.window)}"
    if not judgement.drifted:
        first = next(iter(judgement.shifts), None)
        nearest = f"; the least certain to be the same: {shifted(first)}" if first else ""
        return [f"{films} are like those that the model was tested on{nearest}."]
    names = [f"{_moved_first(shift)}." for shift in judgement.drifted]
    began = ""
    if since is not None and since != str(window.start.date()):
        began = f" The drift began in the window of {_day(datetime.fromisoformat(since))}."
    return [f"{films} are not like those that the model was tested on.{began}", *names]


def _moved_first(shift: Shift) -> str:
    sentence = shifted(shift)
    return sentence[0].upper() + sentence[1:]


def _moved(shift: Shift) -> str:
    name = WORDS[shift.name]
    if shift.name not in SHARES:
        return f"{name} went from {quartiles(shift, 'was')} to {quartiles(shift, 'now')}"
    most = max({*shift.was, *shift.now}, key=lambda one: abs(shift.now.get(one, 0.0) - shift.was.get(one, 0.0)))
    return (
        f"{name} {most} went from {percent(shift.was.get(most, 0.0))} to {percent(shift.now.get(most, 0.0))} of films"
    )


def _day(day: datetime) -> str:
    return f"{day.day} {day:%B %Y}"
