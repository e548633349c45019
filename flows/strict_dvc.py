"""DVC, silent and strict: the flow says what happens, and a file that was not moved is an error.

Where a file of a version cannot be copied into the cache, as on a full disk, DVC logs it, writes the version down and
ends well; a later push passes by what is not there, and ends well, too.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from dvc.exceptions import DvcException, FileTransferError

TALKERS = ("dvc", "dvc_data", "dvc_objects", "dvc_task")
MOVERS = ("dvc_data.hashfile.transfer", "dvc_data.index.fetch", "dvc_data.index.push", "dvc_objects.fs.generic")
LOST = "Some of the cache files do not exist neither locally"  # so begins what DVC says of them, one a line


class IncompleteError(DvcException):
    """Files that belong to a version were not moved."""


class LostError(IncompleteError):
    """Files that belong to a version are neither here nor at the remote.

    Args:
        number: of the files, a folder's list of files counted as one.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"{_files(number)} found neither here nor at the remote")


class _Faults(logging.Filter):
    """Takes off the screen what DVC logs of single files, and keeps the exceptions, and how many files were lost."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[BaseException] = []
        self.lost = 0

    def filter(self, record: logging.LogRecord) -> bool:
        fault = record.exc_info[1] if record.exc_info else None
        if fault is not None:
            self.found.append(fault)
        if str(record.msg).startswith(LOST):
            self.lost += len(record.getMessage().splitlines()[1:])
        return fault is None and record.levelno >= logging.ERROR


def quiet(*others: str) -> None:
    """Keep DVC's own story, and its copy in Prefect's log, off the screen; that of other loggers, too."""
    for name in (*TALKERS, *others):
        logger = logging.getLogger(name)
        logger.setLevel(logging.ERROR)
        logger.propagate = False


@contextmanager
def complete() -> Iterator[None]:
    """See that all files are moved that DVC should bring into its cache, or to or from a remote, in the block.

    Raises:
        IncompleteError: some were not; the message and the cause are the first fault.
        LostError: some can be had nowhere; all others were moved.
    """
    with _watched() as faults:
        try:
            yield
        except FileTransferError:
            if not faults.found:
                raise
    if faults.found:
        first = faults.found[0]
        raise IncompleteError(f"{_files(len(faults.found))} not moved: {first}") from first
    if faults.lost:
        raise LostError(faults.lost)


@contextmanager
def _watched() -> Iterator[_Faults]:
    faults, movers = _Faults(), [logging.getLogger(name) for name in MOVERS]
    levels = [mover.level for mover in movers]
    for mover in movers:
        mover.addFilter(faults)
        mover.setLevel(logging.WARNING)
    try:
        yield faults
    finally:
        for mover, level in zip(movers, levels, strict=True):
            mover.removeFilter(faults)
            mover.setLevel(level)


def _files(number: int) -> str:
    return f"{number:,} files were" if number > 1 else "1 file was"
