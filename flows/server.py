"""Which Prefect server a run reports to: the one that is configured, the local one that runs, or one of its own."""

import atexit
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from prefect import State
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.process import end, last_words, start
from flows.project import HERE

LOCAL = "http://127.0.0.1:4200/api"
SERVER = "flows.prefect_server"
START_SECONDS = 180.0
OF_ONE_RUN = {  # a temporary server has no page, and neither plans runs nor judges those of others
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_UI_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_FOREMAN_ENABLED": "false",
}


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
        with _ended_in_order(), temporary_settings({PREFECT_API_URL: (address := _temporary())}):
            yield address


@contextmanager
def answering() -> Iterator[None]:
    """Say in one sentence, with exit status 1, that a server went away while a run reported to it.

    Where it does not answer, the process ends at once: Prefect would first try, for minutes and aloud, to send the
    events that are left.
    """
    try:
        yield
    except (httpx.HTTPError, PrefectHTTPStatusError) as error:
        address = str(PREFECT_API_URL.value())
        sentence = (
            f"error: The Prefect server at {address} went away in the run "
            f"({type(error).__name__}). Start it (`make server`) and run again: stages that ended are not repeated."
        )
        if answers(address):
            sys.exit(sentence)
        print(f"\n{sentence}", file=sys.stderr, flush=True)  # Prefect leaves its own line open
        os._exit(1)


def exit_unless_completed(state: State) -> None:
    """End a command with its run's own sentence, and exit status 1, where that did not end well."""
    if not state.is_completed():
        sys.exit(f"error: {state.message}")


def answers(address: str) -> bool:
    """Whether a Prefect server answers there."""
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def appears(address: str, server: subprocess.Popen[bytes]) -> bool:
    """Whether a server that was just started comes to answer, waited for until it ends or takes too long."""
    end_of_patience = time.monotonic() + START_SECONDS
    while not answers(address):
        if server.poll() is not None or time.monotonic() > end_of_patience:
            return False
        time.sleep(0.3)
    return True


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _temporary() -> str:
    """Start a server for this process: its address. It ends after all that Prefect still sends when Python exits."""
    port = free_port()
    address = f"http://127.0.0.1:{port}/api"
    order = [SERVER, "--host", "127.0.0.1", "--port", str(port)]
    with tempfile.TemporaryFile() as log:
        server = start(order, HERE, {**os.environ, **OF_ONE_RUN}, log)
        atexit.register(end, server)
        if not appears(address, server):
            log.seek(0)
            sys.exit(f"error: A temporary Prefect server does not start: {last_words(log.read())}")
    return address


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Leave as a program does that is told to end, so that the temporary server ends, too."""
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
