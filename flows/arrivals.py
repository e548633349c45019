"""What raw data look like from outside, cheaply: no file is opened, only counted, measured and dated."""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.repo import Repo

from pipelines.errors import DataError, RemoteError
from pipelines.stage import fresh_file


@dataclass(frozen=True)
class Seen:
    """What was seen of a data set.

    Args:
        found: its look.
        since: when it was first seen so.
        trained: the look for which training was started last.
    """

    found: str
    since: datetime
    trained: str


def look(project: Path, data: Path) -> str | None:
    """A digest that changes when the data do; None for data that a stage makes, or that DVC does not keep.

    Of data that were imported (`dvc import-url`) it is what their source says of itself; of others names, sizes and
    times of all files.

    Args:
        data: the folder, inside the project.
    Raises:
        RemoteError: the source does not answer.
        DataError: the folder cannot be read.
    """
    pointer = project / data.with_name(f"{data.name}.dvc")
    if not pointer.is_file():
        return None
    if (source := _source(project, pointer)) is not None:
        return source
    try:
        lines = sorted(_lines(project / data))
    except OSError as error:
        raise DataError(f"{project / data} cannot be read ({error.strerror}). Look at its rights.") from None
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest() if lines else None


def noted(file: Path) -> Seen | None:
    """What was noted of a data set; None where nothing was, or nothing that can be read."""
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        return Seen(values["found"], datetime.fromisoformat(values["since"]), values["trained"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write(file: Path, seen: Seen) -> None:
    """Note what was seen."""
    values = {"found": seen.found, "since": seen.since.isoformat(), "trained": seen.trained}
    with fresh_file(file) as partial:
        partial.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


def _lines(folder: Path) -> Iterator[str]:
    """Name, size and time of every file."""
    todo = [str(folder)] if folder.is_dir() else []
    while todo:
        here = todo.pop()
        with os.scandir(here) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    todo.append(entry.path)
                else:
                    about = entry.stat()
                    yield f"{entry.path} {about.st_size} {about.st_mtime_ns}"


def _source(project: Path, pointer: Path) -> str | None:
    """What the source of imported data says of itself; None of data that were not imported."""
    with Repo(str(project)) as repo:
        stage = repo.stage.load_one(str(pointer))
        if not stage.is_import:
            return None
        try:
            (dep,) = stage.deps
            dep.save()
        except (DvcException, OSError) as error:
            raise RemoteError(f"The source of {pointer} does not answer ({' '.join(str(error).split())}).") from None
        return hashlib.sha256(json.dumps(dep.dumpd(), sort_keys=True, default=str).encode()).hexdigest()
