"""The prediction log: one line of JSON for each film that was answered, to watch a model by. It holds no pixels, no
names, and nothing that a client wrote.

A line is handed to the operating system before its answer leaves, so that a crash of the service loses none that was
answered (one of the whole machine may lose the last seconds).
"""

import json
import threading
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from logging import LogRecord
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from pipelines.errors import ReleaseError
from serving.runtime import Film

FILE = "predictions.jsonl"


class _Lines(RotatingFileHandler):
    """Rotates as the standard library does, but lets who writes hear of a failure."""

    def handleError(self, record: LogRecord) -> None:  # noqa: N802 - the library's name
        raise


class PredictionLog:
    """Appends to `predictions.jsonl` of a folder; older files are `.1`, `.2`, ... beside it."""

    def __init__(self, folder: Path, most_bytes: int, files: int) -> None:
        """Open the log, or begin one.

        Args:
            most_bytes: size at which a new file is begun.
            files: older files that are kept.
        Raises:
            ReleaseError: the folder cannot be written to.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lines = _Lines(folder / FILE, maxBytes=most_bytes, backupCount=files, encoding="utf-8")
        except OSError as error:
            raise ReleaseError(
                f"The prediction log cannot be written to {folder} ({error.strerror}). Correct FILMGATE_PREDICTION_LOG."
            ) from None
        self._alone = threading.Lock()

    def write(self, request_id: str, call: str, film: Film, answer: dict[str, Any]) -> None:
        """Append a line.

        Raises:
            OSError: it cannot be written.
        """
        text = json.dumps(line(datetime.now(UTC), request_id, call, film, answer), allow_nan=False)
        with self._alone:
            self._lines.handle(LogRecord("", 0, "", 0, text, None, None))

    def close(self) -> None:
        """Give the file back."""
        with suppress(OSError):  # told when the line was written
            self._lines.close()


def line(now: datetime, request_id: str, call: str, film: Film, answer: dict[str, Any]) -> dict[str, Any]:
    """What the log keeps of an answer: the columns of a manifest where there are such."""
    statistics = asdict(film.statistics)
    del statistics["thumbnail"]  # pixels
    return {
        "time": now.isoformat(timespec="milliseconds"),
        "request_id": request_id,
        "call": call,
        **film.facts,
        **statistics,
        **{name: answer[name] for name in ("label", "probability", "decision", "familiarity")},
        **{f"model_{name}": value for name, value in answer["model"].items()},
    }
