"""Which Prefect server a run reports to: the one that is configured, the local one that runs, or one of its own."""

import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from prefect.settings import PREFECT_API_URL, temporary_settings

LOCAL = "http://127.0.0.1:4200/api"


@contextmanager
def nearest_server() -> Iterator[str]:
    """Report to the configured server, else to `make server` where that runs, else to a temporary one."""
    if configured := PREFECT_API_URL.value():
        yield configured
    elif _answers(LOCAL):
        with temporary_settings({PREFECT_API_URL: LOCAL}):
            yield LOCAL
    else:
        print("No Prefect server runs (`make server` starts one): a temporary one is starting.", flush=True)
        yield "a temporary server"


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
