"""Reading prediction logs: the answers of one model to the films of its clinic, and what was left out, in sentences.

A log is a folder with `predictions.jsonl` and older files `.1`, `.2`, ..., as `serving.prediction_log` writes it; each
server has one of its own. A file that is begun anew while it is read loses nothing: the newest is read first, and what
is then met twice counts once.
"""

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from pipelines.monitoring.reference import ANSWERS, NUMBERS, SHARES, Reference

FILE = "predictions.jsonl"
CALLS = ("/predict", "/predict_batch")
TEXTS = ("request_id", "call", "sha256", "label", "model_sha256", "model_version", *SHARES)
COLUMNS = ("time", "sha256", "label", *NUMBERS, *ANSWERS, *SHARES)


@dataclass(frozen=True)
class Log:
    """What was answered.

    Args:
        films: one row an answer, by time: COLUMNS; `time` is UTC, `label` the class that the film was called.
        notes: what was found and left out, a sentence each.
    """

    films: pd.DataFrame
    notes: tuple[str, ...]


def read_logs(folders: Sequence[Path], reference: Reference, now: datetime) -> Log:
    """Read the answers of the model that the reference is of.

    Left out and named are damaged lines, answers of other models, films that travel with the model (whoever sends one
    tries the service), and answers that are dated after now. A last line that is still being written is left for later.
    """
    seen: set[tuple[str, str, str]] = set()
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    counts: Counter[str] = Counter()
    for folder in folders:
        files = _files(folder)
        if not files:
            notes.append(f"There is no prediction log in {folder}.")
        for file in files:
            notes += _read(file, seen, rows)
    kept = [row for row in rows if (kind := _kind(row, reference, now)) is None or counts.update([kind])]
    notes += [f"Left out: {count:,} {_counted(kind, count)}." for kind, count in sorted(counts.items())]
    films = pd.DataFrame([{name: row[name] for name in COLUMNS} for row in kept], columns=list(COLUMNS))
    films["time"] = pd.to_datetime(films["time"], utc=True)
    return Log(films.sort_values("time", kind="stable", ignore_index=True), tuple(notes))


def _files(folder: Path) -> list[Path]:
    """The files of a log, the newest first."""
    older = [path for path in folder.glob(f"{FILE}.*") if path.suffix[1:].isdigit()]
    newest = [folder / FILE] if (folder / FILE).is_file() else []
    return newest + sorted(older, key=lambda path: int(path.suffix[1:]))


def _read(file: Path, seen: set[tuple[str, str, str]], rows: list[dict[str, Any]]) -> list[str]:
    """Append the answers of a file to the rows; what cannot be read, in a sentence."""
    damaged = []
    for number, text in _lines(file):
        row = parsed(text)
        if row is None:
            damaged.append(number)
            continue
        key = (row["request_id"], row["sha256"], row["time"].isoformat())
        if key not in seen:
            seen.add(key)
            rows.append(row)
    if not damaged:
        return []
    lines = f"{len(damaged):,} lines" if len(damaged) > 1 else "1 line"
    return [f"Left out: {lines} of {file} that cannot be read, the first of them line {damaged[0]}."]


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """Lines of a file with their numbers, without one that has no end yet."""
    try:
        with file.open(encoding="utf-8", errors="replace") as lines:
            for number, text in enumerate(lines, start=1):
                if text.endswith("\n") and text.strip():
                    yield number, text
    except FileNotFoundError:  # the oldest file, deleted since the folder was listed
        return


def parsed(text: str) -> dict[str, Any] | None:
    """What a line says, its time in UTC; None where it is no whole line of a prediction log."""
    try:
        row = json.loads(text)
        time = datetime.fromisoformat(row["time"]).astimezone(UTC)
        whole = all(isinstance(row[name], str) for name in TEXTS)
        numbers = all(math.isfinite(float(row[name])) for name in (*NUMBERS, *ANSWERS))
    except (ValueError, TypeError, KeyError, OverflowError):
        return None
    return {**row, "time": time} if whole and numbers else None


def _kind(row: dict[str, Any], reference: Reference, now: datetime) -> str | None:
    """Why an answer is left out; None where it counts."""
    if row["call"] not in CALLS:
        return "call"
    if row["model_sha256"] != reference.sha256:
        return f"model {row['model_version']}"
    if row["sha256"] in reference.reference_films:
        return "reference"
    return "future" if row["time"] > now else None


def _counted(kind: str, count: int) -> str:
    answers = "answer" if count == 1 else "answers"
    if kind.startswith("model "):
        return f"{answers} of another model, {kind.removeprefix('model ')}"
    return {
        "call": f"{answers} to other calls than {' and '.join(CALLS)}",
        "reference": f"{answers} to films that travel with the model",
        "future": f"{answers} dated after now: a clock is wrong",
    }[kind]
