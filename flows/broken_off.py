"""Files of DVC that are not written beside and renamed: a killed run, or a full disk, may leave half of one.

While a stage runs, dvc.lock is kept as it was before; where the run died, the next one puts that back, and runs the
stage again. Half of the file may well be valid, so nothing is asked of it. DVC's list of who reads and writes what is
removed where it is broken off.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dvc.lock import LockError
from dvc.repo import Repo
from filelock import FileLock, Timeout

from pipelines.sentences import disk_sentence
from pipelines.stage import fresh_file

LOCK = "dvc.lock"
COPY = f".filmgate/{LOCK}"  # there while a stage runs, and after one that was killed; empty where there was none before
OWNER = f"{COPY}.lock"  # held by the process that made the copy; the system takes it from one that dies
BEING_WRITTEN = 2.0  # seconds in which another process may still be writing DVC's list


def mend(repo: Repo) -> None:
    """Put right what was broken off; what another process is at work on is left alone."""
    root = Path(repo.root_dir)
    _mend_list(Path(repo.tmp_dir or "", "rwlock"))
    if (root / COPY).is_file():
        with suppress(Timeout, LockError), FileLock(root / OWNER, timeout=0), repo.lock:
            if (root / COPY).is_file():  # its owner may just have ended well
                _put_back(root)


@contextmanager
def copied(root: Path) -> Iterator[None]:
    """Keep dvc.lock as it is now until the block has ended, unless another run in this folder does so.

    Where a full disk or an interrupt ends the block, DVC may have been writing: the copy is put back at once.
    """
    owner = FileLock(root / OWNER, timeout=0)
    (root / OWNER).parent.mkdir(exist_ok=True)
    try:
        owner.acquire()
    except Timeout:
        yield
        return
    try:
        with fresh_file(root / COPY) as partial:
            partial.write_bytes((root / LOCK).read_bytes() if (root / LOCK).is_file() else b"")
        try:
            yield
        except BaseException as error:
            if not isinstance(error, Exception) or disk_sentence(error):
                _put_back(root)
            raise
    finally:
        (root / COPY).unlink(missing_ok=True)
        owner.release()


def _put_back(root: Path) -> None:
    """Let the copy be dvc.lock again, by renaming: a full disk has room for that."""
    if (root / COPY).stat().st_size:
        (root / COPY).replace(root / LOCK)
    else:
        (root / LOCK).unlink(missing_ok=True)
        (root / COPY).unlink()


def _mend_list(rwlock: Path) -> None:
    with suppress(OSError):
        if time.time() - rwlock.stat().st_mtime < BEING_WRITTEN:
            return
        try:
            json.loads(rwlock.read_text(encoding="utf-8"))
        except ValueError:
            rwlock.unlink()
