"""What was judged and done before: `windows.csv`, one row for each window of a model, `alarms.csv`, one for each alarm
that was told, and `retrains.csv`, one for each retraining that a drift set off.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from pipelines.errors import DataError
from pipelines.monitoring.windows import Judgement
from pipelines.stage import fresh_file

WINDOWS, ALARMS, RETRAINS = "windows.csv", "alarms.csv", "retrains.csv"
KEY = ["model", "start"]
# `drifted` names statistics; `statistic` is the most certain shift, with its distance and its adjusted p.
WINDOW_COLUMNS = [*KEY, "end", "open", "films", "verdict", "drifted", "statistic", "distance", "p"]
ALARM_COLUMNS = ["time", "model", "alarm"]  # the first day of a window, or `labels`
RETRAIN_COLUMNS = ["time", "model", "episode", "run"]


def read_rows(file: Path, columns: Sequence[str]) -> pd.DataFrame:
    """The rows of a history, none where it is not there yet.

    Raises:
        DataError: it holds something else.
    """
    if not file.is_file():
        return pd.DataFrame(columns=list(columns))
    try:
        rows = pd.read_csv(file, dtype={"model": str, "alarm": str, "episode": str, "run": str})
        for name in {"start", "end", "time"} & set(columns):
            rows[name] = pd.to_datetime(rows[name], utc=True)
        return rows[list(columns)]
    except (ValueError, KeyError, pd.errors.ParserError) as error:
        raise DataError(f"{file} is no history of monitoring ({error}). Move it away, and monitor again.") from None


def with_judgements(history: pd.DataFrame, judgements: Iterable[Judgement], model: str) -> pd.DataFrame:
    """The history with each window of a model once.

    A window that was judged by more films than the log still has keeps its row: logs are deleted, in time.

    Args:
        history: WINDOW_COLUMNS.
        model: SHA-256.
    """
    rows = pd.DataFrame([_row(judgement, model) for judgement in judgements], columns=WINDOW_COLUMNS)
    if history.empty:
        return rows
    both = pd.concat([history, rows], ignore_index=True).sort_values("films", kind="stable")
    return both.drop_duplicates(KEY, keep="last").sort_values("start", kind="stable", ignore_index=True)


def with_row(rows: pd.DataFrame, **values: object) -> pd.DataFrame:
    """The rows of a history, and one more at the end."""
    row = pd.DataFrame([values], columns=list(rows))
    return row if rows.empty else pd.concat([rows, row], ignore_index=True)


def write_rows(rows: pd.DataFrame, file: Path) -> None:
    """Write a history, as a whole or not at all."""
    text = rows.assign(
        **{name: [time.isoformat() for time in rows[name]] for name in ("start", "end", "time") if name in rows}
    )
    with fresh_file(file) as partial:
        text.to_csv(partial, index=False, float_format="%.6g", lineterminator="\n")


def _row(judgement: Judgement, model: str) -> dict[str, object]:
    window, first = judgement.window, next(iter(judgement.shifts), None)
    return {
        "model": model,
        "start": window.start,
        "end": window.end,
        "open": window.open,
        "films": len(window.films),
        "verdict": judgement.verdict,
        "drifted": " ".join(shift.name for shift in judgement.drifted),
        "statistic": first.name if first else None,
        "distance": first.distance if first else None,
        "p": first.adjusted if first else None,
    }
