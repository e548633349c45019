"""A place of its own for a run with overrides: the recipe and the results in the working copy stay as they are.

It is a copy of the project's code under `.filmgate/runs` with the same DVC cache, so that only what the overrides
change is computed, and what was computed there is known here.
"""

import hashlib
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from dvc.repo import Repo

from pipelines.errors import ChainError
from pipelines.recipe_file import override, write_yaml

RUNS = ".filmgate/runs"
LINKS = "reflink,hardlink,copy"


def workspace(root: Path, recipe: str, assignments: Sequence[str]) -> Path:
    """The folder in which a run with these overrides works; the same overrides get the same folder.

    Args:
        root: the project.
        assignments: `section.key=value`, at least one.
    Raises:
        RecipeError: an assignment does not fit the recipe.
        ChainError: the project is no git checkout.
    """
    file = Path("recipes") / f"{recipe}.yaml"
    values = override(root / file, assignments)
    folder = folder_of(root, recipe, assignments)
    _copy_code(root, folder)
    write_yaml(values, folder / file)
    _share_cache(root, folder)
    return folder


def folder_of(root: Path, recipe: str, assignments: Sequence[str]) -> Path:
    """Where the run of a recipe with these overrides works."""
    digest = hashlib.sha256("\n".join(sorted(assignments)).encode()).hexdigest()[:8]
    return root / RUNS / f"{recipe}-{digest}"


def _copy_code(root: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in _project_files(root):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, target)


def _project_files(root: Path) -> Iterator[str]:
    """Files that git tracks, and those that it would track."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        text=True,
    )
    if listing.returncode:
        raise ChainError(f"{root} is no git checkout ({listing.stderr.strip()}). Run filmgate in its checkout.")
    for name in listing.stdout.split("\0"):
        if name and (root / name).is_file():
            yield name


def _share_cache(root: Path, folder: Path) -> None:
    """Give the workspace the project's cache, and from it the data sets that were added to DVC by hand."""
    with Repo(str(root)) as project:
        cache = project.cache.local_cache_dir
    config = folder / ".dvc" / "config.local"
    config.write_text(f'[core]\n    no_scm = true\n[cache]\n    dir = {cache}\n    type = "{LINKS}"\n')
    with Repo(str(folder)) as own:
        added = [stage.addressing for stage in own.index.stages if stage.is_data_source]
        if added:
            own.checkout(added, force=True, allow_missing=True)
        known = {Path(out.fs_path).name for out in own.index.outs}
    _link_unknown(root / "data" / "raw", folder / "data" / "raw", known)


def _link_unknown(source: Path, target: Path, known: set[str]) -> None:
    """Link the raw data sets that DVC neither makes nor keeps."""
    target.mkdir(parents=True, exist_ok=True)
    for data in source.glob("*"):
        link = target / data.name
        if data.name not in known and data.suffix != ".dvc" and not link.exists():
            link.symlink_to(data)
