"""What a run in a workspace leaves behind: an experiment of the project and, where its gates passed, a version."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.repo import Repo

from flows import registry
from flows.experiment import record
from flows.git import git
from flows.stages import Chain
from flows.strict_dvc import complete
from flows.workspace import Order
from pipelines.stage import fresh_file

MARK = ".filmgate/recorded"


@dataclass(frozen=True)
class Kept:
    """A version, and whether this run made it."""

    version: str
    new: bool


def keep(project: Path, folder: Path, order: Order, released: bool) -> Kept | None:
    """Keep what a run made; what was kept before is not kept twice.

    Args:
        folder: the workspace, whose run has ended.
        released: its gates passed.
    Returns:
        the version, where it was released.
    Raises:
        FilmgateError: git or DVC cannot keep it.
    """
    said = {"Overrides": " ".join(order.overrides), "Experiment": _experiment(project, folder, order.recipe)}
    if not released:
        return None
    version, new = registry.register(project, folder, order.recipe, said)
    if new:
        print(f"It is registered as {version.name} (`python -m flows.deploy history --recipe {order.recipe}`).")
        _push(project, folder, order.recipe)
    return Kept(version.name, new)


def _experiment(project: Path, folder: Path, recipe: str) -> str:
    """The name of the experiment that a run is, made where it is none yet; empty where nothing was trained."""
    mark, digest = folder / MARK, _digest(folder)
    known, _, name = (_text(mark) or "").partition(" ")
    if digest is None or digest == known:
        return name
    name = record(project, folder, recipe, _trained(folder, recipe))
    print(f"The run is the experiment {name} (`dvc exp show`).", flush=True)
    with fresh_file(mark) as partial:
        partial.write_text(f"{digest} {name}", encoding="utf-8")
    return name


def _trained(folder: Path, recipe: str) -> list[str]:
    """The stages up to training, which made what an experiment is compared by."""
    stages = Chain(folder, recipe).stages
    return stages[: stages.index(f"train@{recipe}") + 1]


def _digest(folder: Path) -> str | None:
    """What was trained from what; None where nothing was."""
    lock = _text(folder / "dvc.lock")
    if lock is None or "train@" not in lock:
        return None
    return hashlib.sha256(f"{git(folder, 'rev-parse', 'HEAD')}\n{lock}".encode()).hexdigest()


def _text(file: Path) -> str | None:
    return file.read_text(encoding="utf-8") if file.is_file() else None


def _push(project: Path, folder: Path, recipe: str) -> None:
    """Bring a version's files to the remote, where there is one; a remote that does not answer is named, no more."""
    with Repo(str(folder)) as repo:
        if not repo.config["core"].get("remote"):
            return
        try:
            with complete():
                repo.push([*Chain(folder, recipe).stages, str(folder / registry.PRODUCTION / f"{recipe}.dvc")])
        except (DvcException, OSError) as error:
            print(
                f"The remote did not take the version ({' '.join(str(error).split())}): it is kept here. "
                "Bring it there later: python -m flows.deploy push",
                flush=True,
            )
