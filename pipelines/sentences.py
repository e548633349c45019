"""Faults that the user can mend, told in one sentence and without a traceback; those of a disk, too."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pipelines.errors import DiskError, FilmgateError

FULL = {errno.ENOSPC: "is full", errno.EDQUOT: "is full", errno.EROFS: "may not be written to"}
TOLD_BY_OTHERS = tuple(FULL)  # whose words mean nothing but a disk
FULL |= dict.fromkeys((errno.EACCES, errno.EPERM), "may not be written to")


@contextmanager
def in_one_sentence() -> Iterator[None]:
    """End a command with exit status 1 where a FilmgateError or a disk stops it, and print why as one sentence."""
    try:
        with disk_faults():
            yield
    except FilmgateError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        sys.exit(1)


@contextmanager
def disk_faults() -> Iterator[None]:
    """Turn a full disk, and one that may not be written to, into a sentence.

    Raises:
        DiskError: it is.
    """
    try:
        yield
    except FilmgateError:
        raise
    except Exception as error:
        if (said := disk_sentence(error)) is None:
            raise
        raise DiskError(said) from None


def disk_sentence(error: BaseException | None) -> str | None:
    """What stands in the way, and what to do about it; None where a fault is none of a disk.

    Libraries that write wrap the system's own fault, or tell it in their words: causes and texts are looked at, too.
    """
    while error is not None:
        for number, state in FULL.items():
            told = number in TOLD_BY_OTHERS and os.strerror(number) in str(error)
            if getattr(error, "errno", None) == number or told:
                return _told(getattr(error, "filename", None), number, state)
        error = error.__cause__ or error.__context__
    return None


def _told(file: str | None, number: int, state: str) -> str:
    where = f"The disk of {file}" if file else "A disk"
    mend = "Make room (`python -m flows.upkeep` finds some)" if state == "is full" else "Allow it"
    return f"{where} {state} ({os.strerror(number)}). {mend}, and run again: what was done is kept."
