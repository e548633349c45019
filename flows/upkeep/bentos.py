"""Releases taken from DVC's cache, and bentos that were unpacked: copies, which can be made again.

Kept are those in production now and before, as far back as some promotions; the newest version of each recipe; the
release that lies in `data/<recipe>/release`; what a process serves from; and what was made less than a day ago.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import psutil

from flows.git import git
from flows.registry import REGISTRY
from flows.upkeep.rubbish import GOING, Rubbish, older
from pipelines.registry import PRODUCTION, history, versions

UNPACKED = ".filmgate/bentoml/unpacked"
SETTLED = 1.0  # days, after which nobody is about to start what was unpacked
SHORT = 12  # digits of a model's hash in names


def old_bentos(root: Path, promotions: int, now: float) -> Iterator[Rubbish]:
    """Copies of releases that are none of those that are kept.

    Args:
        promotions: how many of them are gone back.
    Raises:
        ReleaseError: git cannot read the tags.
    """
    kept = {model for recipe in _recipes(root) for model in wanted(root, recipe, promotions)} | _released(root)
    served = _command_lines()
    for path in sorted([*(root / REGISTRY).glob("*/*"), *(root / UNPACKED).glob("*")]):
        shown = path.relative_to(root).as_posix()
        if path.name.endswith(GOING):
            yield Rubbish(shown, (path,), "half removed")
        elif path.is_dir() and not path.name.startswith(".") and not path.name.endswith(".partial"):
            needed = any(model in path.name for model in kept) or any(str(path) in line for line in served)
            if not needed and older(path, SETTLED, now, depth=0):
                yield Rubbish(shown, (path,), "release that is not in production, nor was of late")


def wanted(root: Path, recipe: str, promotions: int) -> set[str]:
    """Models of a recipe in production now and before, as far back as so many promotions, and the newest one."""
    models = {version.name: version.model for version in versions(root, recipe)}
    decisions = [event for event in history(root, recipe) if event.kind == PRODUCTION]
    last = sorted(decisions, key=lambda event: event.number, reverse=True)[: promotions + 1]
    newest = next(iter(models), None)
    names = [newest, *(event.version for event in last)]
    return {model for name in names if name is not None and (model := models.get(name))}


def _recipes(root: Path) -> set[str]:
    """Recipes that have tags, also those that params.yaml no longer names."""
    return {found[1] for tag in git(root, "tag").splitlines() if (found := re.match(r"([^@#]+)[@#]", tag))}


def _command_lines() -> list[str]:
    """The command lines of processes, as far as this user may know."""
    found = []
    for process in psutil.process_iter():
        try:
            found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


def _released(root: Path) -> set[str]:
    """The models of the releases that lie in the working copy."""
    found = set()
    for note in root.glob("data/*/release/release.json"):
        try:
            found.add(str(json.loads(note.read_text(encoding="utf-8"))["version"])[:SHORT])
        except (ValueError, TypeError, KeyError, OSError):
            continue  # it is damaged, and names no model
    return found
