"""Where versions of data and models are kept: DVC's cache on this machine, and its remote elsewhere."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

from dvc.repo import Repo
from dvc_objects.fs.generic import test_links

from flows.doctor.finding import DoubtError, TroubleError
from flows.workspace import LINKS

SECONDS = 15.0  # for a remote to answer


def cache_folder(root: Path) -> Path:
    """Where DVC keeps the bytes of every version."""
    with Repo(str(root)) as repo:
        return Path(repo.cache.local_cache_dir)


def cache(root: Path) -> str:
    """Whether DVC's cache can be written to, and how files come from there into a folder."""
    with Repo(str(root)) as repo:
        odb, folder = repo.cache.local, Path(repo.cache.local_cache_dir)
        try:
            Path(odb.path).mkdir(parents=True, exist_ok=True)
            links = test_links(["reflink", "hardlink", "symlink", "copy"], odb.fs, odb.path, repo.fs, str(root / "x"))
        except OSError as error:
            do = f"Mount it, give this user the right to write there, or name another: dvc cache dir {root}/.dvc/cache."
            raise TroubleError(f"DVC's cache {folder} cannot be used ({error})", "a folder to write to", do) from None
        chosen = odb.cache_types
    if not set(links) & set(LINKS) - {"copy"}:
        found = f"Files can only be copied from {folder}, so that each workspace takes the room of its data again"
        raise DoubtError(found, "reflinks or hard links", "Let cache and project lie on one volume.")
    ways = [way for way in chosen if way in links]
    return f"{os.path.relpath(folder, root)}, {', '.join(links)} work, {ways[0] if ways else 'copy'} is used here"


def remote(root: Path, seconds: float = SECONDS) -> str:
    """Whether versions are kept elsewhere too, and that place answers."""
    with Repo(str(root)) as repo:
        name = repo.config["core"].get("remote")
        if not name:
            do = "Add one: data/README.md, under Versions."
            raise DoubtError("DVC has no remote", "one, or this disk is all that keeps your versions", do)
        if name not in repo.config["remote"]:
            raise TroubleError(
                f"The remote {name} is not described", "its address", f"dvc remote add -d {name} ADDRESS"
            )
        url = repo.config["remote"][name]["url"]
        there = _within(seconds, lambda: _exists(repo, name), name)
    if not there:
        do = "Look whether it is mounted, or dvc push for the first time."
        raise DoubtError(f"The remote {name} answers, and nothing is at {url}", "the folder of its versions", do)
    return f"{name} answers: {url}"


def _exists(repo: Repo, name: str) -> bool:
    odb = repo.cloud.get_remote_odb(name)
    return bool(odb.fs.exists(odb.path) or odb.fs.exists(odb.fs.parent(odb.fs.parent(odb.path))))


def _within(seconds: float, ask: Callable[[], bool], name: str) -> bool:
    """The answer of a remote, or the sentence that it gave none in time."""
    said: list[bool | Exception] = []

    def wait() -> None:
        try:
            said.append(ask())
        except Exception as error:  # whatever its plugin raises
            said.append(error)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    thread.join(seconds)
    do = "Look at network, address and keys (data/README.md, under Versions): dvc push says more."
    if not said:
        raise TroubleError(f"The remote {name} gave no answer within {seconds:g} s", "one", do)
    if isinstance(said[0], Exception):
        first = next(iter(str(said[0]).splitlines()), type(said[0]).__name__).rstrip(".")
        raise TroubleError(f"The remote {name} cannot be reached ({first})", "an answer", do) from None
    return said[0]
