"""The retraining flow: every stage of a recipe in the order of dvc.yaml, each a task that DVC may find already done.

python -m flows.retrain --recipe demo
python -m flows.retrain --recipe demo --set train.epochs=7
python -m flows.retrain --recipe demo --revision main
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from prefect import State, flow
from prefect.states import Completed, Failed

from flows.course import course, prepared
from flows.git import git
from flows.notify import about_failure
from flows.project import project
from flows.registry import registered
from flows.release import keep
from flows.server import answering, exit_unless_completed, nearest_server
from flows.stages import Chain
from flows.summary import summary
from flows.trigger import DEPLOY, absent, start
from flows.workspace import Order, held
from pipelines.errors import FilmgateError
from pipelines.recipe_file import load
from pipelines.sentences import disk_faults

HOUR = 3600.0


@flow(name="retrain", flow_run_name="retrain {recipe}", on_failure=[about_failure], on_crashed=[about_failure])
def retrain(
    recipe: str = "demo",
    overrides: Sequence[str] = (),
    revision: str | None = None,
    new_data: bool = False,
    propose: bool = False,
    hours: float = 24.0,
) -> State:
    """Retrain the model of a recipe and release it if its gates pass.

    Args:
        recipe: A name in params.yaml, such as demo or chest-xray.
        overrides: Numbers of the recipe to change for this run alone, each as section.key=value, e.g. train.epochs=7.
        revision: Branch, tag or commit to run, in a workspace of its own; with overrides HEAD, if none is named.
        new_data: Take the raw data as they lie in the project now, not as the revision names them.
        propose: Ask for approval to put the new version into production, once it is released.
        hours: Time that a stage is given, and that another run of the same kind is waited for.
    """
    try:
        load(project() / "recipes" / f"{recipe}.yaml")
        if revision is None and not overrides:
            return course(Chain(project(), recipe), hours * HOUR)
        return _apart(Order(recipe, tuple(overrides), revision or "HEAD", new_data), propose, hours * HOUR)
    except FilmgateError as error:
        return Failed(message=str(error))


@disk_faults()
def _apart(order: Order, propose: bool, seconds: float) -> State:
    """A run in a workspace: its result is an experiment of the project and, when released, a version."""
    root = project()
    with held(order.folder(root), seconds):
        folder = prepared(root, order)
        state = course(Chain(folder, order.recipe), seconds, may_shrink=True)
        kept = keep(root, folder, order, released=state.is_completed())
    if not state.is_completed() or kept is None:
        return state
    proposal = {"recipe": order.recipe, "version": kept.version}
    if propose and kept.new and start(DEPLOY, proposal) is None:
        print(absent(DEPLOY), flush=True)
    word = "is released as" if kept.new else "is as it was:"
    return Completed(message=f"{order.recipe} {word} {kept.version}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the flow from the command line; the exit status is 1 when it fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="demo", help="a name in params.yaml")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="SECTION.KEY=VALUE")
    parser.add_argument("--revision", help="run that branch, tag or commit, in a workspace of its own")
    parser.add_argument(
        "--new-data", action="store_true", help="in that workspace, take the raw data as they lie here now"
    )
    chosen = parser.parse_args(arguments)
    if chosen.new_data and not (chosen.revision or chosen.overrides):
        chosen.revision = "HEAD"
    apart = bool(chosen.revision or chosen.overrides)
    if apart:
        _say_what_is_left_out(project())
    with nearest_server(), answering():
        state = retrain(chosen.recipe, chosen.overrides, chosen.revision, chosen.new_data, return_state=True)
    exit_unless_completed(state)
    folder = Order(chosen.recipe, tuple(chosen.overrides)).folder(project()) if apart else project()
    print(summary(folder, chosen.recipe, chosen.overrides, _version(folder, chosen.recipe) if apart else None))


def _version(folder: Path, recipe: str) -> str | None:
    """The name under which the release in a workspace is registered."""
    note = json.loads((folder / "data" / recipe / "release" / "release.json").read_text(encoding="utf-8"))
    found = registered(project(), recipe, note)
    return found.name if found else None


def _say_what_is_left_out(root: Path) -> None:
    """A workspace holds what is committed: say so where that is not all there is."""
    try:
        edits = git(root, "status", "--porcelain", "--untracked-files=no").splitlines()
    except FilmgateError:
        return  # said by the run itself
    if names := [line[3:] for line in edits if line[3:] != "dvc.lock"]:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        print(f"Edits that are not committed are no part of this run: {names[0]}{more}.", flush=True)


if __name__ == "__main__":
    main()
