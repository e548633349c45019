"""One thing that may go: where it lies, why it may go, how many bytes that frees, and how it goes."""

import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

DAY = 86400.0  # seconds
BLOCK = 512  # bytes, in which a file system counts what a file takes
PLUMBING = {".dvc", ".git"}  # who looks into a folder with DVC or git writes there, too
GOING = ".going"  # the end of a folder's name while it is removed


@dataclass(frozen=True)
class Rubbish:
    """Files or a folder that may go together.

    Args:
        name: as it is shown.
        paths: what goes, in this order.
        why: in a few words.
        lock: a lock file that must be ours while it goes, and then goes too; None: there is none.
    """

    name: str
    paths: tuple[Path, ...]
    why: str
    lock: Path | None = None


def remove(path: Path) -> None:
    """Remove a file or folder; a folder is renamed first, so that nobody takes a half of it for the whole.

    Raises:
        OSError: it cannot be removed.
    """
    if path.is_dir() and not path.is_symlink():
        going = path if path.name.endswith(GOING) else path.with_name(path.name + GOING)
        if going != path:
            shutil.rmtree(going, ignore_errors=True)
            path.rename(going)
        shutil.rmtree(going)
    else:
        path.unlink(missing_ok=True)


def freed(paths: Iterable[Path]) -> int:
    """Bytes that come free when all these files and folders go; a file that has a name elsewhere stays on the disk."""
    gone: Counter[tuple[int, int]] = Counter()
    known: dict[tuple[int, int], os.stat_result] = {}
    for path in paths:
        for status in _files(path):
            gone[status.st_dev, status.st_ino] += 1
            known[status.st_dev, status.st_ino] = status
    return sum(known[inode].st_blocks * BLOCK for inode, names in gone.items() if names >= known[inode].st_nlink)


def older(path: Path, days: float, now: float, depth: int = 2) -> bool:
    """Whether nothing changed for so many days before `now`, in a file, or in a folder down to a depth."""
    return now - _last_change(path, depth) > days * DAY


def _last_change(path: Path, depth: int) -> float:
    """Seconds since 1970. The time of the inode counts too: what is unpacked brings its old times along."""
    try:
        status = path.lstat()
        newest = max(status.st_mtime, status.st_ctime)
        if depth and path.is_dir() and not path.is_symlink():
            inside = (child for child in path.iterdir() if child.name not in PLUMBING)
            return max([newest, *(_last_change(child, depth - 1) for child in inside)])
    except FileNotFoundError:  # somebody is at work here
        return float("inf")
    return newest


def _files(path: Path) -> Iterator[os.stat_result]:
    if path.is_symlink() or not path.is_dir():
        if path.is_symlink() or path.exists():
            yield path.lstat()
        return
    for folder, _, names in os.walk(path):
        for name in names:
            file = Path(folder, name)
            if file.is_symlink() or file.exists():
                yield file.lstat()
