"""A sensor for data: where those of a recipe have changed and come to rest, it is retrained once.

python -m flows.watch --recipe chest-xray
"""

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prefect import State, flow
from prefect.states import Completed, Failed

from flows.arrivals import Seen, look, noted, write
from flows.notify import about_failure
from flows.project import project
from flows.server import answering, exit_unless_completed, nearest_server
from flows.trigger import RETRAIN, absent, start
from pipelines.errors import FilmgateError
from pipelines.recipe_file import read_yaml

SEEN = ".filmgate/arrivals"


@flow(name="watch", on_failure=[about_failure], on_crashed=[about_failure])
def watch(recipes: Sequence[str] = (), minutes: float = 15.0) -> State:
    """Look whether raw data have changed, and retrain what reads them, once they have come to rest.

    Args:
        recipes: Names in params.yaml; none means all of them whose data are kept by DVC.
        minutes: For how long data must not have changed before they are taken for complete.
    """
    root = project()
    try:
        known = read_yaml(root / "params.yaml")["recipes"]
    except FilmgateError as error:
        return Failed(message=str(error))
    if unknown := sorted(set(recipes) - set(known)):
        return Failed(message=f"params.yaml has no recipe {unknown[0]!r}, only {', '.join(sorted(known))}.")
    started, faults = [], []
    for name in recipes or sorted(known):
        try:
            started += [name] * _due(root, name, str(known[name]), minutes)
        except FilmgateError as error:
            faults.append(str(error))
    said = f"retraining {', '.join(started)}" if started else "nothing new"
    return (
        Failed(message=" ".join([*dict.fromkeys(faults), f"Of the others: {said}."]))
        if faults
        else Completed(message=said)
    )


def _due(root: Path, recipe: str, data_set: str, minutes: float) -> bool:
    """Start the retraining of a recipe if its data are new and at rest; whether it was started."""
    file = root / SEEN / f"{recipe}.json"
    found = look(root, Path("data/raw") / data_set)
    if found is None:
        return False
    before = noted(file)
    after, due = step(before, found, datetime.now(UTC), timedelta(minutes=minutes))
    name = f"retrain {recipe} (new data)"
    if due and start(RETRAIN, {"recipe": recipe, "new_data": True}, flow_run_name=name) is None:
        print(absent(RETRAIN), flush=True)
        return False
    if after != before:
        write(file, after)
    return due


def step(before: Seen | None, found: str, now: datetime, rest: timedelta) -> tuple[Seen, bool]:
    """What to note of data that look like `found` now, and whether they are to be trained on.

    The first look only notes them. Each change begins the time of rest anew; after it, they are trained on once. A
    clock that was set back begins it anew as well.
    """
    if before is None:
        return Seen(found, now, found), False
    if found != before.found or now < before.since:
        return Seen(found, now, before.trained), False
    if found != before.trained and now - before.since >= rest:
        return Seen(found, before.since, found), True
    return before, False


def main(arguments: Sequence[str] | None = None) -> None:
    """Look once, from the command line; the exit status is 1 when it fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", dest="recipes", action="append", default=[], help="a name in params.yaml")
    parser.add_argument("--minutes", type=float, default=15.0, help="of rest before data are taken for complete")
    chosen = parser.parse_args(arguments)
    with nearest_server(), answering():
        state = watch(chosen.recipes, chosen.minutes, return_state=True)
    exit_unless_completed(state)
    print(state.message)


if __name__ == "__main__":
    main()
