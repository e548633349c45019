"""The course of a run: its stages one after another, each a task of Prefect that is tried again where that may help."""

import time
from pathlib import Path
from typing import Any

from prefect import State, task
from prefect.cache_policies import NO_CACHE
from prefect.states import Completed, Failed

from flows.artifacts import publish
from flows.slots import slot
from flows.stages import Chain
from flows.workspace import Order, prepare
from pipelines.errors import BusyError, FilmgateError, OutOfMemoryError, RemoteError
from pipelines.recipe_file import edit, load

TRIES_WHEN_BUSY, PAUSE_WHEN_BUSY = 20, 15
PAUSES = [10, 60, 300]  # seconds before a remote is asked again
SHORT = "OutOfMemory"  # name of the state of a training that found no room
SMALLEST = 1


def busy(task: Any, run: Any, state: State) -> bool:
    """Whether a task failed only because another run held the data."""
    return _failed_by(state, BusyError)


def passing(task: Any, run: Any, state: State) -> bool:
    """Whether a task failed by what may pass: a network, a remote, another run."""
    return _failed_by(state, BusyError, RemoteError)


@task(
    cache_policy=NO_CACHE,
    retries=TRIES_WHEN_BUSY,
    retry_delay_seconds=PAUSE_WHEN_BUSY,
    retry_condition_fn=busy,
)
def reproduce(chain: Chain, stage: str, seconds: float, settled: bool = False) -> State:
    """Run one stage if anything changed that it depends on; `settled` says that nothing did."""
    if settled:
        return _unchanged()
    try:
        with slot(wanted=stage.startswith("train@") and chain.stale(stage)):
            outcome = chain.reproduce(stage, seconds)
    except BusyError:
        raise
    except OutOfMemoryError as error:
        return Failed(name=SHORT, message=str(error))
    except FilmgateError as error:
        return Failed(message=str(error))
    return Completed(message="ran") if outcome.ran else _unchanged()


@task(
    name="workspace",
    task_run_name="workspace",
    cache_policy=NO_CACHE,
    retries=len(PAUSES),
    retry_delay_seconds=PAUSES,
    retry_condition_fn=passing,
)
def _prepare(root: Path, order: Order) -> Path:
    return prepare(root, order)


def prepared(root: Path, order: Order) -> Path:
    """The workspace of a run, ready; a remote that does not answer is asked again.

    Raises:
        FilmgateError: it cannot be made ready.
    """
    state = _prepare(root, order, return_state=True)
    folder: Path = state.result()
    return folder


def course(chain: Chain, seconds: float, may_shrink: bool = False) -> State:
    """Run the stages of a chain until one fails.

    Args:
        seconds: that each of them is given.
        may_shrink: halve `train.batch` where a batch does not fit the device; the recipe must be the run's own.
    """
    settled = chain.settled()
    for number, stage in enumerate(chain.stages, start=1):
        place = f"[{number}/{len(chain.stages)}] {stage}"
        print(place, flush=True)
        started = time.monotonic()
        state = _run(chain, stage, seconds, settled)
        while state.name == SHORT and may_shrink and (batch := _halve(chain)):
            print(f"{place}: out of memory, tried again with train.batch={batch}", flush=True)
            state = _run(chain, stage, seconds)
        print(f"{place}: {_said(state)}, {time.monotonic() - started:.1f} s\n", flush=True)
        if not state.is_completed():
            return Failed(message=state.message)
        if stage.startswith("evaluate@") and not settled:
            publish(chain.recipe, chain.root / "data" / chain.recipe / "evaluation")
    return Completed(message=f"{chain.recipe} is released")


def _run(chain: Chain, stage: str, seconds: float, settled: bool = False) -> State:
    named = reproduce.with_options(name=stage, task_run_name=stage)
    state: State = named(chain, stage, seconds, settled, return_state=True)
    return state


def _unchanged() -> State:
    return Completed(name="Cached", message="nothing changed")


def _halve(chain: Chain) -> int | None:
    """Write half the batch into the run's own recipe; None where it cannot be halved."""
    file = chain.root / "recipes" / f"{chain.recipe}.yaml"
    batch = load(file).train.batch // 2
    if batch < SMALLEST:
        return None
    edit(file, [f"train.batch={batch}"])
    return batch


def _failed_by(state: State, *kinds: type[Exception]) -> bool:
    return state.is_failed() and isinstance(state.result(raise_on_failure=False), kinds)


def _said(state: State) -> str:
    return {"Cached": "cached, nothing changed", "Completed": "done"}.get(state.name, state.name.lower())
