"""The newest release of a recipe: the version registered last, or the release of the working copy where it is newer."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from flows import registry
from flows.git import git
from flows.release import keep
from flows.stages import Chain
from flows.workspace import Order, held, prepare
from pipelines.errors import ReleaseError
from pipelines.registry import Version, versions

WAIT_SECONDS = 3600.0


def newest(project: Path, recipe: str) -> Version:
    """The newest release as a version; that of the working copy is registered, where it is none yet.

    Raises:
        ReleaseError: there is none, or the working copy's was made from edits that are in no commit.
    """
    known = versions(project, recipe)
    note = project / "data" / recipe / "release" / "release.json"
    if not note.is_file():
        return registry.newest(project, recipe)
    release = json.loads(note.read_text(encoding="utf-8"))
    if registry.registered(project, recipe, release):
        return known[0]
    if known and datetime.fromisoformat(release["decided"]["at"]) <= known[0].time:
        return known[0]
    return _registered(project, recipe, release)


def _registered(project: Path, recipe: str, release: Mapping[str, Any]) -> Version:
    """Make the release of the working copy a version, by a run in a workspace that finds all of it in the cache."""
    edits = git(project, "status", "--porcelain", "--untracked-files=no", "--", ".", ":(exclude)dvc.lock").splitlines()
    if edits:
        raise ReleaseError(
            f"The release of {recipe} lies in a working copy with edits in no commit, e.g. {edits[0][3:]}. "
            "Commit them (or take them back), so that its version can name a commit."
        )
    order = Order(recipe)
    print(f"The release of {recipe} has no version yet: it is registered.", flush=True)
    with held(order.folder(project), WAIT_SECONDS):
        folder = prepare(project, order)
        chain = Chain(folder, recipe)
        for stage in chain.stages:
            print(stage, flush=True)
            chain.reproduce(stage)
        keep(project, folder, order, released=True)
    version = registry.registered(project, recipe, release)
    if version is None:
        raise ReleaseError(
            f"What is committed makes another model of {recipe} than the one released here. Run "
            f"python -m flows.retrain --recipe {recipe} on what is committed, and look at `git status`."
        )
    return version
