"""The stages of dvc.yaml, one at a time: DVC decides whether a stage must run, and this module says what came of it."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException, ReproductionError
from dvc.lock import LockError
from dvc.repo import Repo, lock_repo
from dvc.repo.reproduce import get_active_graph, plan_repro

from flows.broken_off import copied, mend
from flows.noise import without_noise
from flows.strict_dvc import IncompleteError, complete, quiet
from pipelines.errors import BusyError, ChainError, DiskError, ModelError, OutOfMemoryError, RemoteError
from pipelines.sentences import disk_faults, disk_sentence
from pipelines.stage import FAULT_FILE, KIND, PARENT, SECONDS

LAST = "package"


@dataclass(frozen=True)
class Outcome:
    """What came of a stage: whether it ran, or its results were already there."""

    stage: str
    ran: bool


class Chain:
    """The stages that one recipe needs, in the order that dvc.yaml gives.

    Args:
        root: the project, where dvc.yaml lies.
        recipe: its name.
    """

    def __init__(self, root: Path, recipe: str) -> None:
        self.root, self.recipe = root, recipe
        quiet()
        self._repo = Repo(str(root))
        mend(self._repo)

    @cached_property
    def stages(self) -> list[str]:
        """Names of the stages, in their order.

        Raises:
            ChainError: dvc.yaml does not know the recipe.
        """
        with chdir(self.root):
            return [stage.name for stage in self._plan() if not stage.is_data_source]  # `dvc add` makes such

    def _plan(self) -> list[Any]:
        """The stages as DVC has them, raw data included, from an index that it keeps while it is locked."""
        try:
            graph = get_active_graph(self._repo.index.graph)
        except DvcException as error:
            raise ChainError(f"DVC cannot read the stages ({' '.join(str(error).split())}). Mend dvc.yaml.") from None
        last = [stage for stage in graph if stage.addressing == f"{LAST}@{self.recipe}"]
        if not last:
            raise ChainError(f"params.yaml has no recipe {self.recipe!r}. Add a line for it there.")
        planned: list[Any] = plan_repro(graph, last)
        return planned

    def reproduce(self, stage: str, seconds: float | None = None) -> Outcome:
        """Run a stage if anything it depends on changed.

        Args:
            seconds: that the stage is given.
        Raises:
            BusyError: another run holds the data.
            OutOfMemoryError: the device has no room for a batch.
            DiskError: a disk is full, or may not be written to.
            ChainError: the stage failed otherwise; the message is the stage's own. Its last good results are put back.
        """
        with chdir(self.root), without_noise(), fault_file(seconds) as fault, disk_faults():
            try:
                with complete(), copied(self.root):
                    return Outcome(stage, ran=bool(self._repo.reproduce(stage, single_item=True)))
            except LockError as error:
                raise BusyError(f"Another run is using {self.root} ({error}). Wait for it to end.") from None
            except IncompleteError as error:
                raise _not_kept(stage, error) from None
            except DvcException as error:
                self._restore(stage)
                raise _kind(fault, error)(reason(stage, error, fault)) from None

    def stale(self, stage: str) -> bool:
        """Whether a stage must run, as far as that can be told without running those before it."""
        with chdir(self.root), disk_faults():
            try:
                with lock_repo(self._repo):
                    return any(one.status() for one in self._plan() if one.addressing == stage)
            except LockError:
                return True

    def settled(self) -> bool:
        """Whether no stage must run, asked until one must.

        Raises:
            ChainError: dvc.yaml does not know the recipe, or what a stage made can still not be kept.
            DiskError: the disk is full, or may not be written to.
        """
        with chdir(self.root), disk_faults():
            try:
                with lock_repo(self._repo):
                    return bool(self.stages) and not any(self._must_run(stage) for stage in self._plan())
            except (LockError, DvcException):
                return False

    def _must_run(self, stage: Any) -> bool:
        """Whether a stage must run; what it made when there was no room to keep it is kept now, not made again."""
        if not stage.status(check_updates=True):
            return False
        late = [out for out in stage.outs if out.hash_info and out.changed_cache() and not out.changed_checksum()]
        try:
            with complete():
                for out in late:
                    out.commit()
        except IncompleteError as error:
            raise _not_kept(stage.addressing, error) from None
        return not late or bool(stage.status(check_updates=True))

    def _restore(self, stage: str) -> None:
        """Bring back what the stage made when it last succeeded; DVC removes it before a run."""
        try:
            self._repo.checkout([stage], force=True, allow_missing=True)
        except DvcException:
            return  # there never was a success


@contextmanager
def fault_file(seconds: float | None = None) -> Iterator[Path]:
    """Let stages find this interpreter, watch this process and the time, and leave their sentence in a file."""
    binaries = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    with tempfile.TemporaryDirectory() as folder:
        fault = Path(folder, "fault")
        added = {FAULT_FILE: str(fault), PARENT: str(os.getpid()), "PATH": binaries}
        if seconds is not None:
            added[SECONDS] = str(seconds)
        before = {name: os.environ.get(name) for name in added}
        os.environ.update(added)
        try:
            yield fault
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})


def _not_kept(stage: str, error: IncompleteError) -> ChainError:
    """What to raise where a stage did its work, and DVC could not bring all of it into the cache."""
    if said := disk_sentence(error):
        return DiskError(said)
    return ChainError(f"DVC cannot keep what {stage} made ({error}). Mend this, and run again: it is not made again.")


def _kind(fault: Path, error: Exception) -> type[ChainError | ModelError]:
    """The class of a fault, where it is one that a flow treats in a way of its own."""
    kinds = {kind.__name__: kind for kind in (OutOfMemoryError, DiskError, RemoteError)}
    left = fault.with_suffix(KIND)
    if left.is_file():
        return kinds.get(left.read_text(encoding="utf-8"), ChainError)
    return DiskError if disk_sentence(error) else ChainError


def reason(stage: str, error: Exception, fault: Path) -> str:
    """Why a stage failed: in its own words, or in DVC's."""
    if fault.is_file():
        return fault.read_text(encoding="utf-8")
    if said := disk_sentence(error):
        return said
    cause = error.__cause__ if isinstance(error, ReproductionError) and error.__cause__ else error
    if isinstance(cause, FileNotFoundError) and cause.filename:
        absent = os.path.relpath(cause.filename)
        return (
            f"There is no {absent}, which {stage} needs. Fetch it (`make data RECIPE=<name>`), "
            "put it there (see data/README.md), or run `dvc pull`."
        )
    return f"Stage {stage} stopped: {cause}. Its output above says more."
