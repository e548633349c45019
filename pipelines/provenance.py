"""Where a release comes from: hashes of all that it rests on, versions, the code's revision, and who decided."""

import getpass
import hashlib
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pipelines.card import sha256
from pipelines.errors import ReleaseError

CODE = ("pipelines", "serving")
SUFFIXES = (".py", ".j2")
LIBRARIES = (
    "bentoml",
    "keras",
    "numpy",
    "onnxruntime",
    "pandas",
    "pydantic",
    "scikit-learn",
    "scipy",
    "statsmodels",
    "tensorflow",
    "tensorflow-cpu",
    "torch",
)
GIT_SECONDS = 30
RULE = "all gates passed"


def hashes(files: Mapping[str, Path]) -> dict[str, str]:
    """SHA-256 of each file, in hexadecimal, by the name that release.json gives it.

    Raises:
        ReleaseError: a file is missing.
    """
    if missing := [str(file) for file in files.values() if not file.is_file()]:
        raise ReleaseError(f"There is no {', '.join(missing)}. A release names the hash of each: run the chain again.")
    return {name: sha256(file) for name, file in files.items()}


def code_digest(root: Path) -> str:
    """SHA-256 over names and content of the Python files and templates of `pipelines` and `serving`."""
    digest = hashlib.sha256()
    files = [file for folder in CODE for file in (root / folder).rglob("*") if file.suffix in SUFFIXES]
    for name, file in sorted((file.relative_to(root).as_posix(), file) for file in files):
        digest.update(f"{name} {sha256(file)}\n".encode())
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that train, export, measure and serve, as far as they are installed."""
    found = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


def revision(root: Path) -> dict[str, Any] | None:
    """The commit of a working copy as `revision`, and as `changed` the files that differ from it; None outside git.

    dvc.lock is left out: every run of the chain writes it before it releases.
    """
    commit = _git(root, "rev-parse", "HEAD")
    changes = _git(root, "status", "--porcelain", "--untracked-files=all", "--", ".", ":(exclude)dvc.lock")
    if commit is None or changes is None:
        return None
    return {"revision": commit.strip(), "changed": [line[3:] for line in changes.splitlines()]}


def decided(root: Path, now: datetime) -> dict[str, str]:
    """Who let the model pass by which rule, and when.

    Args:
        now: with a time zone.
    Returns:
        `by`, the name and mail that git knows, else the user of the operating system; `rule`; `at`, in ISO 8601.
    """
    known = [(_git(root, "config", key) or "").strip() for key in ("user.name", "user.email")]
    by = f"{known[0]} <{known[1]}>" if all(known) else known[0] or known[1] or _user()
    return {"by": by, "rule": RULE, "at": now.isoformat(timespec="seconds")}


def _git(root: Path, *arguments: str) -> str | None:
    """What git prints; None where there is no git, no repository, or no answer."""
    order: Sequence[str] = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(order, capture_output=True, text=True, check=True, timeout=GIT_SECONDS)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return done.stdout


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"
