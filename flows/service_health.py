"""Asking a service for its health: /readyz and /metrics, which need no key."""

import httpx

from pipelines.errors import ServiceError
from pipelines.monitoring.health import Health, health

SECONDS = 10.0


def ask(url: str, released: str) -> tuple[Health | None, list[str]]:
    """The health of a service, None where it cannot be had, and what must be mended, a sentence each.

    Args:
        released: SHA-256 of the model in production.
    """
    address = url.rstrip("/")
    try:
        ready = httpx.get(f"{address}/readyz", timeout=SECONDS).status_code == httpx.codes.OK
        answer = httpx.get(f"{address}/metrics", timeout=SECONDS)
        if answer.status_code != httpx.codes.OK:
            return None, [f"{address}/metrics answers {answer.status_code}. Is that the prediction service?"]
        found = health(address, ready, answer.text)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return None, [f"The service at {address} does not answer ({error})."]
    except ServiceError as error:
        return None, [str(error)]
    return found, found.faults(released)
