"""The project: the git checkout, who releases, uncommitted edits, dvc.yaml and its recipes."""

import subprocess
from contextlib import chdir
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo

from flows.doctor.finding import DoubtError, TroubleError
from flows.git import NOBODY
from flows.stages import LAST
from pipelines.errors import FilmgateError
from pipelines.recipe_file import load, read_yaml

SECONDS = 60  # for git to answer


def checkout(root: Path) -> str:
    """Whether this is a git checkout with a commit, of which releases and scheduled runs can be made."""
    said = git(root, "rev-parse", "--show-toplevel")
    if said.returncode:
        do = "Run filmgate in a clone: git clone, or git init && git add . && git commit."
        raise TroubleError(f"{root} is no git checkout ({_first(said.stderr)})", "one", do)
    if git(root, "rev-parse", "--verify", "--quiet", "HEAD").returncode:
        raise TroubleError("There is no commit yet", "one, from which runs can start", "git add . && git commit")
    branch = git(root, "rev-parse", "--abbrev-ref", "HEAD").stdout.strip()
    commit = git(root, "log", "-1", "--format=%h of %cs").stdout.strip()
    return f"{commit} on {'no branch (detached)' if branch == 'HEAD' else branch}"


def committer(root: Path) -> str:
    """Whether git knows in whose name releases are tagged; without one, `flows.git` signs for nobody."""
    said = git(root, "-c", "user.useConfigOnly=true", "var", "GIT_COMMITTER_IDENT")
    if said.returncode:
        do = 'git config user.name "..." && git config user.email "..."'
        found = f"git does not know who you are, so that releases and decisions are signed by {NOBODY[0]}"
        raise DoubtError(found, "user.name and user.email", do)
    return said.stdout.rsplit(" ", 2)[0]


def edits(root: Path) -> str:
    """Whether the last commit is what lies here: runs of a deployment start from a commit."""
    said = git(root, "status", "--porcelain", "--untracked-files=normal")
    if said.returncode:
        raise TroubleError(f"git status fails ({_first(said.stderr)})", "the list of edits", "Mend the checkout.")
    changed = [line[3:] for line in said.stdout.splitlines()]
    if changed:
        shown = ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
        do = "Commit what they shall see."
        raise DoubtError(f"Not committed: {shown}", "nothing, as scheduled runs do not see it", do)
    return "none: what lies here is what scheduled runs see"


def chain(root: Path) -> str:
    """Whether dvc.yaml, params.yaml and every recipe can be read, and belong together."""
    recipes = read_yaml(root / "params.yaml").get("recipes") or {}
    if not recipes:
        raise TroubleError("params.yaml names no recipe", "recipes: {<name>: <data set>}", "Add one (README.md).")
    for name in recipes:
        try:
            load(root / "recipes" / f"{name}.yaml")
        except FilmgateError as error:
            raise TroubleError(
                f"Recipe {name}: {str(error).rstrip('.')}", "a recipe that can be read", "Mend it."
            ) from None
    with chdir(root), Repo(str(root)) as repo:
        names = {stage.addressing for stage in _stages(repo)}
    if missing := [name for name in recipes if f"{LAST}@{name}" not in names]:
        raise TroubleError(f"dvc.yaml has no {LAST}@{missing[0]}", "each stage once for every recipe", "Mend dvc.yaml.")
    return f"{len(recipes)} recipes, {sum('@' in name for name in names)} stages"


def index(root: Path) -> str:
    """Whether every .dvc file and dvc.lock can be read."""
    with chdir(root), Repo(str(root)) as repo:
        sources = [stage for stage in _stages(repo) if stage.is_data_source]
        known = sum(1 for out in repo.index.outs if out.hash_info)
    return f"{len(sources)} data sets kept, {known} outputs known"


def _stages(repo: Repo) -> list[Any]:
    """All stages of dvc.yaml and of the .dvc files, after DVC has tied them to one graph."""
    try:
        return list(repo.index.graph)
    except (DvcException, OSError) as error:
        do = "Take the file back from git (git checkout -- FILE), or mend it."
        raise TroubleError(f"DVC cannot read its files ({_first(str(error))})", "valid YAML", do) from None


def git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What git says in a folder."""
    try:
        return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, timeout=SECONDS)
    except FileNotFoundError:
        raise TroubleError("There is no git", "the command git", "Install it.") from None


def _first(text: str) -> str:
    return next(iter(text.strip().splitlines()), "without a word").rstrip(".")
