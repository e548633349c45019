"""What git knows of versions, in words: which is in production, since when, by whom, from which data, how good."""

from collections.abc import Sequence
from pathlib import Path

from flows.git import git
from pipelines.errors import ReleaseError
from pipelines.registry import PRODUCTION, REGISTERED, Event, Version, history, production

TOLD = ("Model", "Data", "Overrides", "Revision", "Experiment", "Gates", "Decided")
WORDS = {REGISTERED: "registered", PRODUCTION: "in production"}


def status_text(project: Path, recipe: str) -> str:
    """What is in production, for a terminal.

    Raises:
        ReleaseError: nothing is.
    """
    current = production(project, recipe)
    if current is None:
        raise ReleaseError(
            f"No version of {recipe} is in production. Bring one: python -m flows.deploy promote --recipe {recipe}"
        )
    event = next(event for event in history(project, recipe) if event.kind == PRODUCTION)
    lines = [f"{recipe} {current.name} is in production", f"  since      {_time(event)}"]
    lines += [f"  by         {_who(event)}"]
    lines += [f"  comment    {comment}" for comment in [event.trailers.get("Comment")] if comment]
    lines += [f"  {key.lower():<10} {current.trailers[key]}" for key in TOLD if key in current.trailers]
    return "\n".join([*lines, *(f"  {line}" for line in figures(project, recipe, current))])


def version_text(project: Path, recipe: str, version: Version) -> str:
    """A version that asks for approval, in Markdown: its figures, what it is from, and what is in production now."""
    current = production(project, recipe)
    lines = [f"**{recipe} {version.name}** passed its gates ({version.trailers.get('Gates', 'unknown')}).", ""]
    lines += [f"- {line}" for line in figures(project, recipe, version)]
    lines += [f"- {key}: {version.trailers[key]}" for key in TOLD if key in version.trailers]
    if current is None:
        return "\n".join([*lines, "", "Nothing is in production now."])
    lines += ["", f"In production now is **{current.name}**:"]
    return "\n".join([*lines, "", *(f"- {line}" for line in figures(project, recipe, current))])


def events_text(events: Sequence[Event], recipe: str) -> str:
    """All that happened, the newest first, for a terminal."""
    if not events:
        return f"Nothing has happened yet: {recipe} has no version."
    rows = [
        (
            _time(event),
            str(event.version),
            event.trailers.get("Action") or WORDS.get(event.kind, event.kind),
            event.trailers.get("Model", ""),
            _who(event),
            event.trailers.get("Comment", ""),
        )
        for event in events
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def figures(project: Path, recipe: str, version: Version) -> list[str]:
    """The figures that the tag of a version tells, a line for each split."""
    body = git(project, "for-each-ref", "--format=%(contents:body)", f"refs/tags/{recipe}@{version.name}")
    return [line for line in body.split("\n\n")[0].splitlines() if line]


def _time(event: Event) -> str:
    return event.time.isoformat(sep=" ", timespec="seconds")


def _who(event: Event) -> str:
    return event.trailers.get("By") or event.by
