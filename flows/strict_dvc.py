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


class IncompleteError(DvcException):
    """Files that belong to a version were not moved."""


class _Faults(logging.Filter):
    """Takes off the screen what DVC logs of single files, and keeps the exceptions."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[BaseException] = []

    def filter(self, record: logging.LogRecord) -> bool:
        fault = record.exc_info[1] if record.exc_info else None
        if fault is not None:
            self.found.append(fault)
        return fault is None


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
    """
    faults, movers = _Faults(), [logging.getLogger(name) for name in MOVERS]
    for mover in movers:
        mover.addFilter(faults)
    try:
        yield
    except FileTransferError:
        if not faults.found:
            raise
    finally:
        for mover in movers:
            mover.removeFilter(faults)
    if faults.found:
        first, number = faults.found[0], len(faults.found)
        raise IncompleteError(f"{number:,} file{'s' * (number > 1)} could not be moved: {first}") from first
