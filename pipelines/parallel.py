"""The per-image work on all cores of this machine, or on a Dask cluster where an address is given."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import joblib

from pipelines.errors import ChainError
from pipelines.stage import end_with

ADDRESS = "FILMGATE_DASK"
SHARD = 16  # images of one task
MANY = 200  # tasks that are worth the start of processes
PATIENCE = "10s"  # with a scheduler, and with its first worker

Item = TypeVar("Item")
Result = TypeVar("Result")


def shards(items: Iterable[Item], size: int = SHARD) -> Iterator[list[Item]]:
    """Items in lists of at most `size`, in order."""
    iterator = iter(items)
    while shard := list(islice(iterator, size)):
        yield shard


def each(work: Callable[[Any], Result], parts: Iterable[Any]) -> Iterator[Result]:
    """Results of `work` on each part, in the order of the parts.

    Threads of this process do the work, since decoding, hashing and resizing leave Python's lock; many parts are done
    by processes, which take a second to start but share no lock at all. Where the variable FILMGATE_DASK has the
    address of a Dask scheduler (`tcp://host:8786`), its workers do it; they need this project and the raw data under
    the same paths.

    Raises:
        ChainError: no scheduler answers at the address, it has no worker, or they do not know this project.
    """
    if address := os.environ.get(ADDRESS):
        yield from _on_cluster(work, parts, address)
        return
    known = list(parts)
    if len(known) > MANY:
        work, backend = _Tied(work, os.getpid()), "loky"
    else:
        backend = "threading"
    pool = joblib.Parallel(n_jobs=-1, backend=backend, return_as="generator")
    yield from pool(joblib.delayed(work)(part) for part in known)


@dataclass(frozen=True)
class _Tied:
    """Work of a process that ends when the one that started it is gone."""

    work: Callable[[Any], Any]
    parent: int

    def __call__(self, part: Any) -> Any:
        end_with(self.parent)
        return self.work(part)


def _on_cluster(work: Callable[[Any], Result], parts: Iterable[Any], address: str) -> Iterator[Result]:
    """The same on a cluster, a few parts ahead of what is taken, so that results do not pile up."""
    with _client(address) as client:
        _prove(client, address)
        ahead = 2 * max(sum(client.nthreads().values()), 1)
        running: deque[Any] = deque()
        for part in parts:
            running.append(client.submit(work, part, pure=False))
            if len(running) == ahead:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()


def _client(address: str) -> Any:
    from distributed import Client  # a second to import, and needed only here

    try:
        return Client(address, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        raise ChainError(
            f"No Dask scheduler answers at {address} ({type(error).__name__}). Start one, or unset {ADDRESS}."
        ) from None


def _prove(client: Any, address: str) -> None:
    """See that there is a worker, and that it finds this code, before films are sent."""
    start = f"A worker: python -m dask worker {address} --nthreads 1 --nworkers auto"
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
        client.submit(_here, pure=False).result()
    except TimeoutError:
        raise ChainError(f"The Dask scheduler at {address} has no worker. {start}") from None
    except (ImportError, RuntimeError) as error:
        raise ChainError(
            f"The Dask cluster at {address} does not know this project ({type(error).__name__}). Start scheduler and "
            f"workers in its folder, with its environment. {start}"
        ) from None


def _here() -> bool:
    """What a worker is asked first, which it can answer only where it finds this module."""
    return True
