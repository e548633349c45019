"""Workspaces of runs that ended long ago, and what searches left behind when they were killed.

A run holds the lock file of its workspace while it goes on. DVC makes the folders in which searches work; whether one
is in use is known by the processes that work in it.
"""

from collections.abc import Iterator
from pathlib import Path

import psutil

from flows.held import is_held
from flows.upkeep.rubbish import GOING, Rubbish, older
from flows.workspace import RUNS

SEARCHES = ".dvc/tmp/exps/standalone"


def workspaces(root: Path) -> list[Path]:
    """Every folder of a run, also of those that go on."""
    return [path for path in sorted((root / RUNS).glob("*")) if path.is_dir() and not path.name.endswith(GOING)]


def searches(root: Path) -> list[Path]:
    """Every folder in which DVC works on an experiment, or did when it was killed."""
    places = [root, *workspaces(root)]  # a search that works on a revision has a workspace, and its trials lie there
    return sorted(path for place in places for path in (place / SEARCHES).glob("tmp*") if path.is_dir())


def lock_of(workspace: Path) -> Path:
    """The file that a run holds while it works in a workspace."""
    return workspace.with_name(workspace.name + ".lock")


def old_workspaces(root: Path, days: float, now: float) -> Iterator[Rubbish]:
    """Workspaces that nobody holds and nobody used for some days, and lock files that have none."""
    used = working_folders()
    for path in workspaces(root):
        lock = lock_of(path)
        busy = is_held(lock) or _within(path, used)
        if not busy and older(path, days, now) and (not lock.exists() or older(lock, days, now)):
            yield Rubbish(_shown(path, root), (path,), f"workspace, unused for {days:g} days", lock)
    for path in sorted((root / RUNS).glob(f"*{GOING}")):
        yield Rubbish(_shown(path, root), (path,), "workspace, half removed")
    for lock in sorted((root / RUNS).glob("*.lock")):
        if not lock.with_suffix("").is_dir() and not is_held(lock) and older(lock, 1, now):
            yield Rubbish(_shown(lock, root), (), "lock of a workspace that is gone", lock)


def old_searches(root: Path, days: float, now: float) -> Iterator[Rubbish]:
    """Folders of experiments that no process works in any more."""
    used = working_folders()
    for path in searches(root):
        if older(path, days, now) and not _within(path, used):
            yield Rubbish(_shown(path, root), (path,), f"search that was cut short, unused for {days:g} days")


def working_folders() -> set[Path]:
    """The folders in which processes work, as far as this user may know."""
    found = set()
    for process in psutil.process_iter():
        try:
            found.add(Path(process.cwd()))
        except (psutil.Error, OSError):
            continue
    return found


def _within(path: Path, folders: set[Path]) -> bool:
    real = path.resolve()
    return any(folder.is_relative_to(real) for folder in folders)


def _shown(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
