"""Locks: who holds one, and what a killed process left behind that others would wait for."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from flows.doctor.checkout import git
from flows.doctor.finding import DoubtError, TroubleError
from flows.held import is_held
from flows.workspace import RUNS

PATIENCE = 600  # seconds after which git's own lock file was left behind


def workspaces(root: Path) -> str:
    """Which workspaces are in use, and whether lock files without a workspace lie about."""
    files = sorted((root / RUNS).glob("*.lock"))
    busy = [file.stem for file in files if is_held(file)]
    if alone := [file.name for file in files if file.stem not in busy and not file.with_suffix("").is_dir()]:
        do = "They harm nobody: python -m flows.upkeep --yes removes them."
        raise DoubtError(f"{len(alone)} lock files without a workspace, e.g. {alone[0]}", "none", do)
    return f"in use: {', '.join(busy)}" if busy else f"none of {len(files)} is in use"


def dvc_lock(root: Path) -> str:
    """Whether a run holds DVC, and whether DVC's list of readers and writers can be trusted."""
    folder = root / ".dvc" / "tmp"
    for kind, path, pid, command in _entries(folder / "rwlock"):
        process = _command(pid)
        if process is not None and not _alike(command, process):
            found = f"DVC holds {path} for process {pid} ({command}), which is another one by now ({process})"
            raise TroubleError(found, "nothing", f"Delete {folder / 'rwlock'} when no run goes on.")
        if process is not None:
            return f"process {pid} {kind}s {path}: {command}"
    if is_held(folder / "lock"):
        holder = (folder / "lock").read_text(encoding="utf-8").strip()
        return f"held by process {holder}: {_command(int(holder)) or 'gone'}" if holder.isdigit() else "held"
    return "free"


def git_lock(root: Path) -> str:
    """Whether a killed git left its lock file, which stops every commit."""
    said = git(root, "rev-parse", "--git-path", "index.lock")
    file = root / said.stdout.strip()
    if said.returncode or not file.exists():
        return "free"
    age = time.time() - file.stat().st_mtime
    do = f"Delete {file} when no git runs."
    if age > PATIENCE:
        raise TroubleError(f"{file} is {age / 60:.0f} minutes old, so that nothing can be committed", "none", do)
    raise DoubtError(f"{file} is there", "none, unless git runs now", do)


def _entries(file: Path) -> Iterator[tuple[str, str, int, str]]:
    """What DVC's file of readers and writers holds: write or read, the path, the process, its command.

    Raises:
        TroubleError: a killed process left half a file.
    """
    if not file.exists():
        return
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
        for kind in ("write", "read"):
            for path, infos in known.get(kind, {}).items():
                for info in infos if isinstance(infos, list) else [infos]:
                    yield kind, path, int(info["pid"]), str(info["cmd"])
    except (ValueError, TypeError, KeyError, AttributeError):
        do = "Delete it when no run goes on: it holds only who reads and writes now."
        raise TroubleError(f"{file} is damaged, and every run stops at it", "JSON", do) from None


def _command(pid: int) -> str | None:
    """The command line of a process; None where there is none of this number."""
    try:
        return " ".join(psutil.Process(pid).cmdline())
    except psutil.NoSuchProcess:
        return None
    except psutil.AccessDenied:
        return "of another user"


def _alike(noted: str, found: str) -> bool:
    """Whether a command that DVC noted may be the one that runs: the same program or module is named in both."""
    words = {Path(word).name for word in noted.split()}
    return found == "of another user" or bool(words & {Path(word).name for word in found.split()})
