"""Prefect's own server, with its garbage collected apart: python -m flows.prefect_server --host 127.0.0.1 --port 4200

Cursors of SQLite that a failed statement left behind are reset when they are collected, and a reset waits for as long
as the cursor's connection waits for the right to write. On the thread of the event loop, where Python collects by
itself, the connection that holds this right could then never give it back: the server stood still until SQLite's
patience, a minute, was over. A thread of its own may wait.
"""

import gc
import runpy
import sys
import threading
import time
from itertools import count

PAUSE = 1.0  # seconds between two collections
THOROUGH = 60  # each of so many looks at what has lived for long, too


def main() -> None:
    """Become `prefect server start`, with the arguments given here."""
    collect_apart()
    sys.argv = ["prefect", "server", "start", *sys.argv[1:]]
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)


def collect_apart() -> None:
    """Let a thread of its own collect this process's garbage, and no other."""
    gc.disable()
    threading.Thread(target=_collect, name="garbage", daemon=True).start()


def _collect() -> None:
    for turn in count(1):
        time.sleep(PAUSE)
        gc.collect(2 if turn % THOROUGH == 0 else 1)


if __name__ == "__main__":
    main()
