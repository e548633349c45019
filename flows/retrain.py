"""The retraining flow: every stage of a recipe in the order of dvc.yaml, each a task that DVC may find already done.

python -m flows.retrain --recipe demo
python -m flows.retrain --recipe demo --set train.epochs=7
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from prefect import State, flow, task
from prefect.cache_policies import NO_CACHE
from prefect.states import Completed, Failed

from flows.artifacts import publish
from flows.server import nearest_server
from flows.stages import BusyError, Chain
from flows.summary import summary
from flows.workspace import workspace
from pipelines.errors import FilmgateError
from pipelines.recipe_file import load

ROOT = Path(__file__).resolve().parent.parent
TRIES_WHEN_BUSY, PAUSE_WHEN_BUSY = 20, 15


@task(
    cache_policy=NO_CACHE,
    retries=TRIES_WHEN_BUSY,
    retry_delay_seconds=PAUSE_WHEN_BUSY,
    retry_condition_fn=lambda task, run, state: busy(state),
)
def reproduce(chain: Chain, stage: str) -> State:
    """Run one stage if anything changed that it depends on."""
    try:
        outcome = chain.reproduce(stage)
    except BusyError:
        raise
    except FilmgateError as error:
        return Failed(message=str(error))
    return Completed(message="ran") if outcome.ran else Completed(name="Cached", message="nothing changed")


def busy(state: State) -> bool:
    """Whether a task failed only because another run held the data."""
    return state.is_failed() and isinstance(state.result(raise_on_failure=False), BusyError)


@flow(name="retrain", flow_run_name="retrain {recipe}")
def retrain(recipe: str = "demo", overrides: Sequence[str] = ()) -> State:
    """Retrain the model of a recipe and release it if its gates pass.

    Args:
        recipe: a name in params.yaml.
        overrides: `section.key=value`, for this run alone.
    """
    try:
        load(ROOT / "recipes" / f"{recipe}.yaml")
        root = workspace(ROOT, recipe, overrides) if overrides else ROOT
        chain = Chain(root, recipe)
    except FilmgateError as error:
        return Failed(message=str(error))
    return _run(chain)


def _run(chain: Chain) -> State:
    for number, stage in enumerate(chain.stages, start=1):
        print(f"[{number}/{len(chain.stages)}] {stage}", flush=True)
        started = time.monotonic()
        state = reproduce.with_options(name=stage, task_run_name=stage)(chain, stage, return_state=True)
        print(
            f"[{number}/{len(chain.stages)}] {stage}: {_said(state)}, {time.monotonic() - started:.1f} s\n", flush=True
        )
        if not state.is_completed():
            return Failed(message=state.message)
        if stage.startswith("evaluate@"):
            publish(chain.recipe, chain.root / "data" / chain.recipe / "evaluation")
    return Completed(message=f"{chain.recipe} is released")


def _said(state: State) -> str:
    return {"Cached": "cached, nothing changed", "Completed": "done"}.get(state.name, state.name.lower())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the flow from the command line; the exit status is 1 when it fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="demo", help="a name in params.yaml")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="SECTION.KEY=VALUE")
    chosen = parser.parse_args(arguments)
    with nearest_server():
        state = retrain(chosen.recipe, chosen.overrides, return_state=True)
    if not state.is_completed():
        print(f"error: {state.message}", file=sys.stderr)
        sys.exit(1)
    print(summary(ROOT, chosen.recipe, chosen.overrides))


if __name__ == "__main__":
    main()
