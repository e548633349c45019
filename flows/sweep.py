"""A search over numbers of a recipe: each run a DVC experiment, ranked by validation images alone.

python -m flows.sweep --recipe demo --grid train.learning_rate=1e-3,3e-3 --grid model.dropout=0.2,0.4
python -m flows.sweep --recipe demo --grid train.batch=16,32,64 --grid train.weight_decay=0,1e-4,1e-3 --sample 4
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prefect import State, flow
from prefect.artifacts import create_table_artifact
from prefect.states import Completed, Failed

from flows import grid as grids
from flows.comparison import ranked, write_comparison
from flows.experiment import publish, run
from flows.notify import about_failure
from flows.project import project
from flows.server import answering, exit_unless_completed, nearest_server
from flows.slots import slot
from flows.workspace import Order, held, prepare
from pipelines.errors import FilmgateError
from pipelines.recipe_file import load

SWEEPS = ".filmgate/sweeps"
WAIT_SECONDS = 24 * 3600.0


@flow(name="trial", flow_run_name="{recipe} {assignments}")
def trial(root: Path, recipe: str, assignments: Sequence[str]) -> dict[str, Any] | State:
    """Train a recipe with some numbers changed; its name as an experiment, and its figures on validation."""
    try:
        with slot(wanted=True):
            done = run(root, recipe, assignments)
        if root != project():
            publish(project(), root)
    except FilmgateError as error:
        return Failed(message=str(error))
    return {"experiment": done.name, "changed": " ".join(done.assignments), **done.figures}


@flow(name="sweep", flow_run_name="sweep {recipe}", on_failure=[about_failure], on_crashed=[about_failure])
def sweep(
    recipe: str, grid: Sequence[str], sample: int | None = None, seed: int = 1, revision: str | None = None
) -> State:
    """Train a recipe with every combination of some values, and rank the runs on validation.

    Args:
        recipe: A name in params.yaml.
        grid: Numbers to search, each as section.key=value,value,...
        sample: How many combinations are tried, drawn at random; all of them if none is given.
        seed: Of the drawing.
        revision: Branch, tag or commit to run, in a workspace of its own; the working copy if none is named.
    """
    if revision is None:
        return _search(project(), recipe, grid, sample, seed)
    try:
        order = Order(recipe, (), revision, kind="sweep")
        with held(order.folder(project()), WAIT_SECONDS):
            return _search(prepare(project(), order), recipe, grid, sample, seed)
    except FilmgateError as error:
        return Failed(message=str(error))


def _search(root: Path, recipe: str, grid: Sequence[str], sample: int | None, seed: int) -> State:
    file = root / "recipes" / f"{recipe}.yaml"
    try:
        monitor = load(file).train.monitor
        runs = grids.combinations(grid)
        runs = grids.sample(runs, sample, seed) if sample else runs
        grids.check(file, runs)
    except FilmgateError as error:
        return Failed(message=str(error))
    rows: list[dict[str, Any]] = []
    for number, assignments in enumerate(runs, start=1):
        print(f"[{number}/{len(runs)}] {' '.join(assignments)}", flush=True)
        state = trial(root, recipe, assignments, return_state=True)
        failed = {"experiment": None, "changed": " ".join(assignments), "failed": state.message}
        rows.append(state.result() if state.is_completed() else failed)
        write_comparison(project() / SWEEPS / recipe, recipe, ranked(rows, monitor), monitor)
    create_table_artifact(
        _shown(ranked(rows, monitor)), key=f"{recipe}-sweep", description=f"Runs of {recipe}, best first"
    )
    if all("failed" in row for row in rows):
        return Failed(message=f"All {len(rows)} runs failed; the last one: {rows[-1]['failed']}")
    return Completed(message=f"{len(rows)} runs of {recipe}")


def _shown(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key != "history"} for row in rows]


def main(arguments: Sequence[str] | None = None) -> None:
    """Search from the command line; the exit status is 1 when no run ended well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="demo", help="a name in params.yaml")
    parser.add_argument("--grid", action="append", required=True, metavar="SECTION.KEY=VALUE,VALUE")
    parser.add_argument("--sample", type=int, help="try that many combinations, drawn at random")
    parser.add_argument("--seed", type=int, default=1, help="of the drawing")
    chosen = parser.parse_args(arguments)
    with nearest_server(), answering():
        state = sweep(chosen.recipe, chosen.grid, chosen.sample, chosen.seed, return_state=True)
    exit_unless_completed(state)
    folder = Path(SWEEPS) / chosen.recipe
    print((project() / folder / "runs.txt").read_text(encoding="utf-8"))
    print(f"  table       {folder / 'runs.csv'}\n  plot        {folder / 'runs.png'}")
    print("  keep one    dvc exp apply <experiment>\n  see them    dvc exp show --no-pager")


if __name__ == "__main__":
    main()
