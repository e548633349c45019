"""One training at a time: a run waits for the slot `gpu` where the Prefect server has such a limit."""

from collections.abc import Iterator
from contextlib import contextmanager

from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectNotFound

SLOT = "gpu"
LEASE = 60.0  # seconds after which the slot of a run that was killed is free again


@contextmanager
def slot(wanted: bool) -> Iterator[None]:
    """Hold the slot until the block ends, if it is wanted and there is one."""
    if wanted and _limited():
        with concurrency(SLOT, lease_duration=LEASE):
            yield
    else:
        yield


def _limited() -> bool:
    with get_client(sync_client=True) as client:
        try:
            client.read_global_concurrency_limit_by_name(SLOT)
        except ObjectNotFound:
            return False
    return True
