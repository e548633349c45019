"""Writing the registry: a release becomes a commit and a version, and a version comes into production or is rejected.

The tags are GTO's; what they say is read by `pipelines.registry`. A release's commit holds dvc.lock, the recipe as it
was trained, the pointers to its raw data, and the model itself as the one later models are compared with.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from dvc_data.index import DataIndexError

from flows.git import git, who
from flows.production import PRODUCTION, keep_version, name_production
from flows.remote import remote
from flows.workspace import held
from pipelines.card import sha256
from pipelines.errors import ReleaseError
from pipelines.evaluation.figures_text import interval, share
from pipelines.recipe_file import read_yaml
from pipelines.registry import CODE, Version, versions
from pipelines.stage import fresh_folder

REGISTRY = Path(".filmgate/registry")
WAIT_SECONDS = 120.0
SHOWN = ("auc", "sensitivity", "specificity", "accuracy")


def register(project: Path, folder: Path, recipe: str, said: Mapping[str, str]) -> tuple[Version, bool]:
    """Make the release that a run left in its workspace a version of the project.

    Args:
        folder: the workspace, with `data/<recipe>/release`.
        said: more trailers of the tag, such as the overrides.
    Returns:
        the version, and whether it is new: the same model in the same code keeps its version.
    Raises:
        ReleaseError: there is no release, it is damaged, or git or DVC cannot keep it.
    """
    note = json.loads((folder / "data" / recipe / "release" / "release.json").read_text(encoding="utf-8"))
    with alone(project, recipe):
        if known := registered(project, recipe, note):
            return known, False
        name_production(folder, recipe)
        keep_version(folder, recipe)
        commit = _commit(folder, recipe, f"{recipe} {note['version']} released")
        git(project, "fetch", "--quiet", "--no-tags", str(folder), commit)
        return _tag(project, recipe, commit, note, {**_data(folder, recipe), **said}), True


@contextmanager
def alone(project: Path, recipe: str) -> Iterator[None]:
    """One registration or decision of a recipe at a time, since each counts on from the one before."""
    with held(project / REGISTRY / recipe, WAIT_SECONDS):
        yield


def _tag(project: Path, recipe: str, commit: str, note: Mapping[str, Any], said: Mapping[str, str]) -> Version:
    existing = versions(project, recipe)
    bump = {"bump_minor": True} if existing else {"version": "v1.0.0"}
    message = _message(recipe, note, said)
    name, mail = who(project)
    import gto.api  # here, since a run that makes nothing new need not wait for it
    from gto.exceptions import GTOException

    try:
        gto.api.register(str(project), recipe, commit, message=message, author=name, author_email=mail, **bump)
    except GTOException as error:
        raise ReleaseError(f"GTO cannot register the release of {recipe} ({error}). Look at `git tag`.") from None
    version = registered(project, recipe, note)
    if version is None:
        raise ReleaseError(f"The tag of {recipe}'s release was written and cannot be read. Look at `git tag`.")
    return version


def assign(project: Path, recipe: str, version: Version, stage: str, said: Mapping[str, str]) -> None:
    """Give a version a stage: `production`, or `rejected`; to be called `alone`.

    Args:
        said: what the tag says beside the version, as trailers: who decided, and why.
    Raises:
        ReleaseError: GTO or git cannot.
    """
    trailers = {"Version": version.name, "Model": version.model, **said}
    message = f"{recipe} {version.name}: {stage}\n\n{_trailers(trailers)}"
    name, mail = who(project)
    import gto.api
    from gto.exceptions import GTOException

    try:
        gto.api.assign(
            str(project),
            recipe,
            stage,
            version=version.name,
            message=message,
            author=name,
            author_email=mail,
            force=True,
        )
    except GTOException as error:
        raise ReleaseError(f"GTO cannot give {recipe} {version.name} the stage {stage} ({error}).") from None


def fetch(project: Path, recipe: str, version: Version) -> Path:
    """The folder with the release of a version, taken from DVC's cache, or from the remote where it is not there.

    Returns:
        `.filmgate/registry/<recipe>/<model>-<bento>`, its bento proven by its SHA-256.
    Raises:
        ReleaseError: neither cache nor remote has it, or the bento is another one.
    """
    folder = project / REGISTRY / recipe / version.folder
    if not (folder / version.bento).is_file():
        _take(project, recipe, version, folder)
    if (found := sha256(folder / version.bento)) != version.bento_sha256:
        shutil.rmtree(folder)
        raise ReleaseError(
            f"The bento of {recipe} {version.name} has SHA-256 {found[:12]}, its tag says {version.bento_sha256[:12]}. "
            "It was thrown away; bring the right one by `dvc pull`, and try again."
        )
    return folder


def newest(project: Path, recipe: str) -> Version:
    """The version that was registered last.

    Raises:
        ReleaseError: there is none.
    """
    known = versions(project, recipe)
    if not known:
        raise ReleaseError(
            f"No version of {recipe} is registered. Run python -m flows.retrain --recipe {recipe} first."
        )
    return known[0]


def named(project: Path, recipe: str, name: str) -> Version:
    """The version of that name, or the newest of the model whose hash begins so.

    Raises:
        ReleaseError: there is none, or several.
    """
    known = versions(project, recipe)
    found = [one for one in known if one.name in (name, f"v{name}") or one.model_sha256.startswith(name)]
    if len({one.model_sha256 for one in found}) != 1:
        there = ", ".join(f"{one.name} ({one.model})" for one in known) or "none"
        raise ReleaseError(f"{recipe} has no version {name!r}. Registered are: {there}.")
    return found[0]


def registered(project: Path, recipe: str, note: Mapping[str, Any]) -> Version | None:
    """The version that a release is.

    A model with another threshold is another model file, and the same one with a mended service another version, so
    that both can come into production; a bento that is only built anew is none.

    Args:
        note: what its release.json holds.
    """
    wanted = note["model_sha256"], note["hashes"]["code"]
    there = versions(project, recipe)
    return next((one for one in there if (one.model_sha256, one.trailers.get(CODE)) == wanted), None)


def _take(project: Path, recipe: str, version: Version, folder: Path) -> None:
    source = f"data/{recipe}/release"
    try:
        with fresh_folder(folder) as partial:
            there = DVCFileSystem(str(project), rev=version.commit, remote=remote(project))
            there.get(source, str(partial / "release"), recursive=True)
            for file in (partial / "release").iterdir():
                file.rename(partial / file.name)
            (partial / "release").rmdir()
    except (DvcException, DataIndexError, OSError) as error:
        raise ReleaseError(
            f"Neither DVC's cache nor its remote has {source} of {recipe} {version.name} "
            f"({' '.join(str(error).split())}). Push it from where it was made: python -m flows.deploy push"
        ) from None
    if not (folder / version.bento).is_file():
        raise ReleaseError(f"{source} of {recipe} {version.name} holds no {version.bento}, which its tag names.")


def _commit(folder: Path, recipe: str, subject: str) -> str:
    """A commit of the clone with what the run made; its branch, index and files stay as they are."""
    files = ["dvc.lock", f"recipes/{recipe}.yaml"]
    files += [str(PRODUCTION / name) for name in (f"{recipe}.json", f"{recipe}.dvc", ".gitignore")]
    files += [str(file.relative_to(folder)) for file in sorted((folder / "data" / "raw").glob("*.dvc"))]
    name, mail = who(folder)
    with tempfile.TemporaryDirectory() as scratch:
        index = {"GIT_INDEX_FILE": str(Path(scratch, "index"))}
        people = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in _signed(name, mail)}
        told = {**os.environ, **index, **people}
        git(folder, "read-tree", "HEAD", environment=told)
        git(folder, "add", "--force", "--", *files, environment=told)
        tree = git(folder, "write-tree", environment=told)
        commit = git(folder, "commit-tree", tree, "-p", "HEAD", "-m", subject, environment=told)
    git(folder, "update-ref", "refs/filmgate/release", commit)  # so that it can be fetched
    return commit


def _signed(name: str, mail: str) -> Sequence[tuple[str, str]]:
    return (("NAME", name), ("EMAIL", mail))


def _message(recipe: str, note: Mapping[str, Any], said: Mapping[str, str]) -> str:
    """What the tag of a version says: its figures, and trailers that programs read."""
    figures = [_figures(split, found) for split, found in note["metrics"].items()]
    trailers = {
        "Model": note["version"],
        "Model-SHA256": note["model_sha256"],
        "Bento": note["bento"],
        "Bento-SHA256": note["bento_sha256"],
        CODE: note["hashes"]["code"],
        "Gates": f"all {len(note['gates'])} passed",
        "Decided": note["decided"]["at"],
        **said,
    }
    return "\n".join([f"{recipe}: model {note['version']} released", "", *figures, "", _trailers(trailers)])


def _figures(split: str, found: Mapping[str, Any]) -> str:
    cells = [f"{name} {share(found[name])} ({ends})" for name in SHOWN if (ends := _ends(found, name))]
    return f"{split}, n {found['n']}: {', '.join(cells)}"


def _ends(found: Mapping[str, Any], name: str) -> str | None:
    return interval(found, name) if found.get(name) is not None else None


def _data(folder: Path, recipe: str) -> dict[str, str]:
    """On which data: the raw data set with the hash that DVC knows it by, and the revision of the code."""
    data = f"data/raw/{read_yaml(folder / 'params.yaml')['recipes'][recipe]}"
    deps = read_yaml(folder / "dvc.lock")["stages"][f"ingest@{recipe}"]["deps"]
    digest = next((str(dep.get("md5")) for dep in deps if dep["path"] == data), "unknown")
    return {"Data": f"{data} {digest}", "Revision": git(folder, "rev-parse", "HEAD")}


def _trailers(said: Mapping[str, str]) -> str:
    return "\n".join(f"{key}: {' '.join(str(value).split())}" for key, value in said.items() if str(value).strip())
