"""What of DVC's cache nobody names any more, and its removal while no run can write there."""

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo

from flows.upkeep.references import Known, committed_in, with_their_files, worktrees, written_in
from flows.upkeep.rubbish import Rubbish, older
from flows.upkeep.workspaces import searches, workspaces
from flows.workspace import SWEPT, held
from pipelines.errors import BusyError, ChainError

OBJECT = re.compile(r"^[0-9a-f]{30}(\.dir)?$")
PATIENCE = 60.0  # seconds for a run that is just being made ready
WHY = "named by no tag, branch, experiment, workspace or raw data set"


@dataclass(frozen=True)
class Cache:
    """DVC's cache and all who use it.

    Args:
        root: the project.
        others: more projects that keep their versions in the same cache.
        known: what was read of git.
    """

    root: Path
    others: tuple[Path, ...] = ()
    known: Known = field(default_factory=Known, compare=False)

    @property
    def folder(self) -> Path:
        """Where it lies."""
        with Repo(str(self.root)) as repo:
            return Path(repo.cache.local_cache_dir)

    def check(self) -> None:
        """See that all who use it are known.

        Raises:
            ChainError: it lies outside the project, and nobody said who else uses it.
        """
        if not self.others and not self.folder.resolve().is_relative_to(self.root.resolve()):
            raise ChainError(
                f"DVC's cache {self.folder} lies outside the project, where others may use it too. "
                "Name every project that does: --project DIR for each, or --project . if there is none."
            )

    def users(self) -> list[Path]:
        """Every folder that uses it: workspaces and searches first, since they end by becoming commits of a project."""
        projects = [self.root, *self.others]
        copies = [copy for project in projects if (project / ".git").exists() for copy in worktrees(project)]
        busy = [path for copy in [*projects, *copies] for path in [*workspaces(copy), *searches(copy)]]
        return list(dict.fromkeys(path.resolve() for path in [*busy, *copies, *projects]))

    def unnamed(self, going: Sequence[Path], now: float) -> Rubbish | None:
        """Objects that nobody names, and what can no longer be restored without them.

        Args:
            going: workspaces that go too, and name nothing any more.
        """
        gone = {path.resolve() for path in going}
        users = [user for user in self.users() if user not in gone]
        named = set().union(*[written_in(user) for user in users], *[committed_in(user, self.known) for user in users])
        folder = self.folder
        forms = [folder / "files" / "md5", folder]  # today's, and that of DVC 2
        for form in forms:
            named = with_their_files(named, form)
        paths = [path for form in forms for path in _objects(form, named, now)]
        digits = {path.parent.name + path.name for path in paths}
        paths.sort(key=lambda path: not path.name.endswith(".dir"))  # a folder without its list is a missing folder
        remembered = [path for path in (folder / "runs").glob("*/*/*") if _outputs(path) & digits]
        return the_cache([*remembered, *paths]) if paths else None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold DVC's lock of all who use the cache: nobody writes to it meanwhile, and no run begins.

        Raises:
            BusyError: a run is writing.
        """
        with ExitStack() as stack:
            for project in (self.root, *self.others):
                stack.enter_context(held(project / SWEPT, PATIENCE))
            for user in self.users():
                if (user / ".dvc").is_dir():
                    try:
                        stack.enter_context(stack.enter_context(Repo(str(user))).lock)
                    except LockError:
                        raise BusyError(f"A run in {user} is writing to DVC's cache. Try again later.") from None
                    except DvcException as error:
                        raise ChainError(f"DVC cannot read {user} ({error}). Mend or delete it.") from None
            yield


def the_cache(paths: Sequence[Path]) -> Rubbish:
    """Files of DVC's cache that may go."""
    return Rubbish(f"DVC's cache: {len(paths)} files", tuple(paths), WHY)


def _objects(form: Path, named: set[str], now: float) -> Iterator[Path]:
    """Objects in a folder of the cache that are not among those named, and what a killed transfer left."""
    for prefix in sorted(form.glob("[0-9a-f][0-9a-f]")):
        for path in sorted(prefix.iterdir()):
            if OBJECT.match(path.name):
                if prefix.name + path.name not in named:
                    yield path
            elif path.name.endswith(".tmp") and older(path, 1, now):
                yield path


def _outputs(entry: Path) -> set[str]:
    """Objects that a remembered run of a stage would restore."""
    _, _, outputs = entry.read_text(encoding="utf-8", errors="replace").partition("outs:")
    return set(re.findall(r"[0-9a-f]{32}(?:\.dir)?", outputs))
