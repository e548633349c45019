"""What others say of themselves and no setting of theirs silences: TensorFlow's notices, Prefect's second report."""

import logging
import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from prefect.exceptions import FailedRun

NOISE = re.compile(
    rb"I0000 |WARNING: All log messages before absl::InitializeLog|To enable the following instructions: "
    rb"|WARNING:tensorflow:\d+ out of the last \d+ calls .* triggered tf\.function retracing"
)
ERROR_STREAM = 2
LAST_WORDS = 2.0


class _SaidAlready(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], FailedRun))


SAID_ALREADY = _SaidAlready()


def without_traceback() -> None:
    """Let the state alone tell why this run failed; of a deployed one Prefect's engine logs a traceback as well."""
    logging.getLogger("prefect.flow_runs").addFilter(SAID_ALREADY)


@contextmanager
def without_noise() -> Iterator[None]:
    """Pass on what this process and its children write to the error stream, line by line, save the notices."""
    sys.stderr.flush()
    screen = os.dup(ERROR_STREAM)
    source, sink = os.pipe()
    os.dup2(sink, ERROR_STREAM)
    os.close(sink)
    relay = threading.Thread(target=_relay, args=(source, screen), daemon=True)
    relay.start()
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(screen, ERROR_STREAM)
        relay.join(LAST_WORDS)


def _relay(source: int, screen: int) -> None:
    with os.fdopen(source, "rb") as lines, os.fdopen(screen, "wb", buffering=0) as target:
        for line in lines:
            if not NOISE.match(line):
                target.write(line)
