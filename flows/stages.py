"""The stages of dvc.yaml, one at a time: DVC decides whether a stage must run, and this module says what came of it."""

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path

from dvc.exceptions import DvcException, ReproductionError
from dvc.lock import LockError
from dvc.repo import Repo
from dvc.repo.reproduce import get_active_graph, plan_repro
from dvc.stage.exceptions import StageNotFound

from flows.noise import without_noise
from pipelines.errors import ChainError
from pipelines.stage import FAULT_FILE, PARENT

LAST = "package"


@dataclass(frozen=True)
class Outcome:
    """What came of a stage: whether it ran, or its results were already there."""

    stage: str
    ran: bool


class BusyError(ChainError):
    """Another run holds the data; trying again later helps."""


class Chain:
    """The stages that one recipe needs, in the order that dvc.yaml gives.

    Args:
        root: the project, where dvc.yaml lies.
        recipe: its name.
    Raises:
        ChainError: dvc.yaml does not know the recipe.
    """

    def __init__(self, root: Path, recipe: str) -> None:
        self.root, self.recipe = root, recipe
        quiet(logging.getLogger("dvc"), logging.getLogger("dvc_data"))
        self._repo = Repo(str(root))
        with chdir(root):
            self.stages = self._plan()

    def _plan(self) -> list[str]:
        try:
            last = self._repo.stage.collect(f"{LAST}@{self.recipe}")
        except (StageNotFound, DvcException) as error:
            raise ChainError(f"params.yaml has no recipe {self.recipe!r} ({error}). Add a line for it there.") from None
        plan = plan_repro(get_active_graph(self._repo.index.graph), last)
        return [stage.name for stage in plan if not stage.is_data_source]  # raw data under `dvc add` has no command

    def reproduce(self, stage: str) -> Outcome:
        """Run a stage if anything it depends on changed.

        Raises:
            BusyError: another run holds the data.
            ChainError: the stage failed; the message is the stage's own. Its last good results are put back.
        """
        with chdir(self.root), without_noise(), fault_file() as fault:
            try:
                return Outcome(stage, ran=bool(self._repo.reproduce(stage, single_item=True)))
            except LockError as error:
                raise BusyError(f"Another run is using {self.root} ({error}). Wait for it to end.") from None
            except DvcException as error:
                self._restore(stage)
                raise ChainError(reason(stage, error, fault)) from None

    def _restore(self, stage: str) -> None:
        """Bring back what the stage made when it last succeeded; DVC removes it before a run."""
        try:
            self._repo.checkout([stage], force=True, allow_missing=True)
        except DvcException:
            return  # there never was a success


def quiet(*loggers: logging.Logger) -> None:
    """Keep DVC's own story (and its copy in Prefect's) off the screen; the flow says what happens."""
    for logger in loggers:
        logger.setLevel(logging.ERROR)
        logger.propagate = False


@contextmanager
def fault_file() -> Iterator[Path]:
    """Let stages find this interpreter, watch this process, and leave their sentence in a file."""
    binaries = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    with tempfile.TemporaryDirectory() as folder:
        fault = Path(folder, "fault")
        added = {FAULT_FILE: str(fault), PARENT: str(os.getpid()), "PATH": binaries}
        before = {name: os.environ.get(name) for name in added}
        os.environ.update(added)
        try:
            yield fault
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})


def reason(stage: str, error: Exception, fault: Path) -> str:
    """Why a stage failed: in its own words, or in DVC's."""
    if fault.is_file():
        return fault.read_text(encoding="utf-8")
    cause = error.__cause__ if isinstance(error, ReproductionError) and error.__cause__ else error
    if isinstance(cause, FileNotFoundError) and cause.filename:
        absent = os.path.relpath(cause.filename)
        return (
            f"There is no {absent}, which {stage} needs. Fetch it (`make data RECIPE=<name>`), "
            "put it there (see data/README.md), or run `dvc pull`."
        )
    return f"Stage {stage} stopped: {cause}. Its output above says more."
