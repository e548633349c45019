"""Processes that serve runs, a Prefect server or a worker: each ends with the process that started it."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

END_SECONDS = 30.0


def start(order: Sequence[str], root: Path, environment: Mapping[str, str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a module of Python in a folder.

    Args:
        order: the module's name, and what it is told.
        log: a file that takes all that it says.
    """
    return subprocess.Popen(
        [sys.executable, "-m", "flows.child", str(os.getpid()), *order],
        cwd=root,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl+C reaches this process alone, which ends them in their order
    )


def end(process: subprocess.Popen[bytes]) -> None:
    """Tell it to end, and make it end where it does not."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def last_words(said: bytes) -> str:
    """The last line that it said."""
    lines = [line for line in said.decode("utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it said nothing."
