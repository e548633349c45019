"""Which objects of DVC's cache somebody names.

DVC knows an object by 32 hexadecimal digits, and writes them into `dvc.lock` and the `.dvc` files. So an object is
named if its digits stand in such a file: in a folder, at a commit that git has a name for (branch, tag, experiment,
stash, or what another repository had when it was last asked), or, for `.dvc` files, at any commit: what came from
outside cannot be computed again. A folder's object lists those of its files.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.errors import ChainError

DIGITS = re.compile(rb"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])(?:\.dir)?")
APART = {".git", ".venv", ".filmgate"}
STASHES = ("refs/stash", "refs/exps/stash", "refs/exps/celery/stash")


@dataclass
class Known:
    """What was read of git: the files of commits that name objects, and which ones these files name."""

    files: dict[str, set[str]] = field(default_factory=dict)
    objects: dict[str, set[str]] = field(default_factory=dict)


def written_in(folder: Path) -> set[str]:
    """Objects that the files of a folder name now, committed or not."""
    found: set[str] = set()
    for place, below, names in os.walk(folder):
        if Path(place) == folder:
            below[:] = [name for name in below if name not in APART | {".dvc"}]
        for name in names:
            if name == "dvc.lock" or name.endswith(".dvc"):
                found |= _digits(Path(place, name).read_bytes())
    return found


def committed_in(folder: Path, known: Known) -> set[str]:
    """Objects that the commits of a repository name; of a folder that is none, nothing.

    Args:
        known: what was read before of commits and files, which never change.

    Raises:
        ChainError: git cannot say.
    """
    if not (folder / ".git").exists():
        return set()
    commits = _named_commits(folder)
    for commit in commits - known.files.keys():
        known.files[commit] = set(_blobs_of(folder, commit))
    files = _sources(folder).union(*(known.files[commit] for commit in commits))
    unread = sorted(files - known.objects.keys())
    known.objects.update(zip(unread, map(_digits, _contents(folder, unread)), strict=True))
    return set().union(*(known.objects[file] for file in files))


def with_their_files(objects: set[str], cache: Path) -> set[str]:
    """Objects, and those of the files that folders among them list, as far as the cache has the lists.

    Args:
        cache: `files/md5` in DVC's cache, or DVC's cache itself in its older form.
    """
    found = set(objects)
    for name in objects:
        listing = cache / name[:2] / name[2:]
        if name.endswith(".dir") and listing.is_file():
            found |= {entry["md5"] for entry in json.loads(listing.read_bytes()) if "md5" in entry}
    return found


def worktrees(folder: Path) -> list[Path]:
    """All working copies of a repository."""
    lines = _git(folder, "worktree", "list", "--porcelain").splitlines()
    return [Path(line.split(b" ", 1)[1].decode()) for line in lines if line.startswith(b"worktree ")]


def _digits(content: bytes) -> set[str]:
    return {found.decode() for found in DIGITS.findall(content)}


def _named_commits(folder: Path) -> set[str]:
    """Commits that a branch, a tag, an experiment, a stash or the working copy is at."""
    line = "--format=%(objecttype) %(objectname) %(*objecttype) %(*objectname)"
    found = set()
    for kind, name, *peeled in (row.split() for row in _git(folder, "for-each-ref", line).decode().splitlines()):
        kind, name = peeled if peeled else (kind, name)
        if kind == "commit":
            found.add(name)
    if head := _git(folder, "rev-parse", "--verify", "--quiet", "HEAD", allowed=1).decode().strip():
        found.add(head)
    for stash in STASHES:
        if _git(folder, "rev-parse", "--verify", "--quiet", stash, allowed=1):
            found.update(_git(folder, "log", "-g", "--format=%H", stash, "--").decode().split())
    return found


def _blobs_of(folder: Path, commit: str) -> Iterator[str]:
    """`dvc.lock` and the `.dvc` files of a commit, by git's names of their contents."""
    for entry in _git(folder, "ls-tree", "-r", "-z", "--full-tree", commit).split(b"\0"):
        about, _, path = entry.partition(b"\t")
        if path.rsplit(b"/", 1)[-1] == b"dvc.lock" or path.endswith(b".dvc"):
            yield about.split()[2].decode()


def _sources(folder: Path) -> set[str]:
    """The `.dvc` files of all commits, also of those that were amended of late: what each commit changed there."""
    history = ("-c", "log.showRoot=true", "log", "--all", "--reflog", "--full-history", "-m", "--no-renames")
    said = _git(folder, *history, "--format=", "--raw", "--no-abbrev", "--", "*.dvc")
    rows = (line.split() for line in said.decode(errors="replace").splitlines() if line.startswith(":"))
    return {name for _, _, before, after, *_ in rows for name in (before, after) if name.strip("0")}


def _contents(folder: Path, blobs: Sequence[str]) -> Iterator[bytes]:
    """What files hold, by git's names of their contents: after a line of name, kind and size, so many bytes each."""
    said = _git(folder, "cat-file", "--batch", given="".join(f"{blob}\n" for blob in blobs).encode())
    while said:
        head, _, said = said.partition(b"\n")
        size = int(head.split()[2])
        yield said[:size]
        said = said[size + 1 :]


def _git(folder: Path, *arguments: str, allowed: int = 0, given: bytes = b"") -> bytes:
    """What git prints in a folder.

    Args:
        allowed: an exit status that only says that there is nothing.
        given: what it reads.
    """
    said = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, input=given)
    if said.returncode not in (0, allowed):
        why = said.stderr.decode(errors="replace").strip()
        raise ChainError(f"git {arguments[0]} fails in {folder} ({why}). Mend this; until then nothing is removed.")
    return said.stdout
