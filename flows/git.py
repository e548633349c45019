"""Asking git, and being told in one sentence what it would not do."""

import errno
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from pipelines.errors import ChainError, DiskError
from pipelines.sentences import disk_sentence

NOBODY = ("filmgate", "filmgate@localhost")  # who commits where git knows nobody
FULL = ("Out of diskspace", os.strerror(errno.ENOSPC))  # git's words, and those of the system
MOST_WORDS = 400  # characters


def git(root: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
    """What git prints on its standard output, without the last line break.

    Args:
        environment: of git, where it is not that of this process.
    Raises:
        DiskError: the disk is full, or may not be written to.
        ChainError: git is missing, or did not do it.
    """
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False, env=environment
        )
    except OSError as error:
        raise ChainError(f"git cannot be run ({error.strerror}). Install it.") from None
    if done.returncode:
        if said := disk_sentence(OSError(done.stderr.replace(*FULL))):
            raise DiskError(said)
        raise ChainError(f"git {arguments[0]} failed in {root}: {_reason(done.stderr)}")
    return done.stdout.rstrip("\n")


def _reason(said: str) -> str:
    """The last lines that git wrote; those before may tell of each file of a checkout."""
    words = " ".join(said.split())
    return words if len(words) <= MOST_WORDS else f"… {words[-MOST_WORDS:].partition(' ')[2]}"


def commit_of(root: Path, revision: str) -> str:
    """The commit that a branch, tag or beginning of a hash means, as 40 hex digits.

    Raises:
        ChainError: there is no such revision, or this is no git checkout.
    """
    try:
        git(root, "rev-parse", "--git-dir")
    except ChainError as error:
        raise ChainError(f"{root} is no git checkout ({error}). Run filmgate in its checkout.") from None
    try:
        return git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    except ChainError:
        raise ChainError(f"{root} has no revision {revision!r}. Name a branch, a tag or a commit of it.") from None


def who(root: Path) -> tuple[str, str]:
    """Name and mail address that git signs with in a checkout."""
    known = []
    for key, otherwise in zip(("user.name", "user.email"), NOBODY, strict=True):
        try:
            known.append(git(root, "config", key) or otherwise)
        except ChainError:
            known.append(otherwise)
    return known[0], known[1]
