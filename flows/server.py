"""Which Prefect server a run reports to: the one that is configured, the local one that runs, or one of its own."""

import os
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from prefect import State
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL, temporary_settings

LOCAL = "http://127.0.0.1:4200/api"


@contextmanager
def nearest_server() -> Iterator[str]:
    """Report to the configured server, else to `make server` where that runs, else to a temporary one."""
    if configured := PREFECT_API_URL.value():
        yield configured
    elif answers(LOCAL):
        with temporary_settings({PREFECT_API_URL: LOCAL}):
            yield LOCAL
    else:
        print("No Prefect server runs (`make server` starts one): a temporary one is starting.", flush=True)
        with _ended_in_order():
            yield "a temporary server"


@contextmanager
def answering() -> Iterator[None]:
    """Say in one sentence, with exit status 1, that a server went away while a run reported to it.

    Where it does not answer, the process ends at once: Prefect would first try, for minutes and aloud, to send the
    events that are left.
    """
    try:
        yield
    except (httpx.HTTPError, PrefectHTTPStatusError) as error:
        address = PREFECT_API_URL.value()
        sentence = (
            f"error: The Prefect server at {address or 'a temporary address'} went away in the run "
            f"({type(error).__name__}). Start it (`make server`) and run again: stages that ended are not repeated."
        )
        if address is None or answers(address):
            sys.exit(sentence)
        print(f"\n{sentence}", file=sys.stderr, flush=True)  # Prefect leaves its own line open
        os._exit(1)


def exit_unless_completed(state: State) -> None:
    """End a command with its run's own sentence, and exit status 1, where that did not end well."""
    if not state.is_completed():
        sys.exit(f"error: {state.message}")


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Leave as a program does that is told to end: Prefect ends its temporary server when Python exits."""
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def answers(address: str) -> bool:
    """Whether a Prefect server answers there."""
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
