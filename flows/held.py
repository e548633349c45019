"""Lock files that are held by flock: whose process ends, however it ends, holds nothing any more."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def held_by_us(file: Path) -> Iterator[bool]:
    """Hold a lock file during the block where nobody else does, without waiting; gives whether it is held.

    The file is made where it is missing. One that was replaced between opening and locking counts as held by another.

    Raises:
        OSError: the file cannot be opened.
    """
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        yield _locked(descriptor) and _same(descriptor, file)
    finally:
        os.close(descriptor)


def is_held(file: Path) -> bool:
    """Whether another process holds a lock file; one that is missing is held by nobody."""
    if not file.exists():
        return False
    with held_by_us(file) as ours:
        return not ours


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _same(descriptor: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), file.stat())
    except FileNotFoundError:
        return False
