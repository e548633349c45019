"""A place of its own for a run: a clone of the project at a named revision, with the project's DVC cache.

It sees no edit that is not committed, and the working copy sees nothing of it. The same recipe with the same overrides
gets the same folder again, so that a killed run goes on where it was, and nothing is computed twice.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from dvc.exceptions import CheckoutError, DvcException
from dvc.lock import LockError
from dvc.repo import Repo
from filelock import FileLock, Timeout

from flows.git import commit_of, git, who
from flows.strict_dvc import complete
from pipelines.errors import BusyError, ChainError, DiskError, RemoteError
from pipelines.recipe_file import edit, override, read_yaml
from pipelines.registry import production
from pipelines.sentences import disk_faults, disk_sentence

RUNS = ".filmgate/runs"
SWEPT = ".filmgate/cache-swept"  # held while what nobody names is taken out of DVC's cache, and while a run begins
BEGIN_SECONDS = 600.0
LINKS = ["reflink", "hardlink", "copy"]
RAW, PRODUCTION = Path("data/raw"), Path("data/production")
CHECKPOINT = ".filmgate/cache/{recipe}/training/checkpoint.npz"  # as dvc.yaml and pipelines.training.checkpoint have it


@dataclass(frozen=True)
class Order:
    """What a run shall work on.

    Args:
        recipe: a name in params.yaml.
        overrides: `section.key=value`, for this run alone.
        revision: of the project: a branch, a tag or a commit.
        new_data: take the raw data as they lie in the project today, not as the revision names them.
        kind: of run, where it is no retraining: it works in a folder of its own.
    """

    recipe: str
    overrides: Sequence[str] = ()
    revision: str = "HEAD"
    new_data: bool = False
    kind: str = ""

    def folder(self, project: Path) -> Path:
        """Where the run works: the same recipe, overrides and kind get the same folder."""
        if not self.overrides:
            return project / RUNS / "-".join(filter(None, (self.recipe, self.kind)))
        digest = hashlib.sha256("\n".join(sorted(self.overrides)).encode()).hexdigest()[:8]
        return project / RUNS / f"{self.recipe}-{digest}"


@disk_faults()
def prepare(project: Path, order: Order) -> Path:
    """Make the folder in which a run works ready for it; it must be `held` meanwhile and afterwards.

    Args:
        project: a git checkout.
    Raises:
        RecipeError: an override does not fit the recipe.
        RemoteError: a remote does not answer.
        DiskError: the disk is full, or may not be written to.
        BusyError: DVC is at work in the folder.
        ChainError: there is no such revision or recipe, or the project is no git checkout.
    """
    commit = commit_of(project, order.revision)
    _check(project, commit, order)
    folder = order.folder(project)
    with held(project / SWEPT, BEGIN_SECONDS):  # from here on the folder is there, and what it names is left alone
        _clone(project, folder, commit)
    edit(folder / "recipes" / f"{order.recipe}.yaml", order.overrides)
    _take_checkpoint(project, folder, order.recipe)
    try:
        _share_cache(project, folder)
        _take_production(project, folder, order.recipe)
        _take_data(project, folder, order)
    except LockError as error:
        raise BusyError(f"Another process is using {folder} ({error}). Wait for it to end.") from None
    return folder


@contextmanager
def held(folder: Path, seconds: float) -> Iterator[None]:
    """Nobody else works in a folder until the block ends; the system takes the lock from a process that dies.

    Raises:
        ChainError: somebody does, and goes on doing so.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(f"{folder}.lock")
    try:
        with lock.acquire(timeout=0):
            os.utime(lock.lock_file)  # when it was last used: an old workspace goes
            yield
            return
    except Timeout:
        print(f"Another run works in {folder.name}: waiting for it.", flush=True)
    try:
        with lock.acquire(timeout=seconds, poll_interval=0.5):
            os.utime(lock.lock_file)
            yield
    except Timeout:
        raise ChainError(
            f"Another run has worked in {folder} for more than {seconds:.0f} seconds. Look at it, or end it."
        ) from None


def _check(project: Path, commit: str, order: Order) -> None:
    """See that the recipe of a revision takes the overrides, before anything is made."""
    name = f"recipes/{order.recipe}.yaml"
    with tempfile.TemporaryDirectory() as scratch, chdir(scratch):
        Path("recipes").mkdir()
        for known in git(project, "ls-tree", "--name-only", commit, "recipes/").splitlines():
            Path(known).touch()
        if Path(name).is_file():
            Path(name).write_text(git(project, "show", f"{commit}:{name}"), encoding="utf-8")
        override(Path(name), order.overrides)


def _clone(project: Path, folder: Path, commit: str) -> None:
    """Make the folder what a commit says; what is ignored there, data and checkpoints, stays."""
    if not (folder / ".git" / "HEAD").is_file():
        partial = folder.with_name(f"{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
        git(project, "clone", "--quiet", "--shared", "--no-checkout", str(project), str(partial))
        partial.rename(folder)
    for stale in (folder / ".git").rglob("*.lock"):  # of a git that was killed; the folder is ours alone
        stale.unlink()
    for key, value in zip(("user.name", "user.email"), who(project), strict=True):
        git(folder, "config", key, value)  # a clone knows nothing of it, and DVC signs experiments
    git(folder, "checkout", "--quiet", "--force", "--detach", commit)
    git(folder, "clean", "--quiet", "--force", "-d", "--exclude=dvc.lock")


def _share_cache(project: Path, folder: Path) -> None:
    """Give the clone the project's cache, and its remotes with what opens them."""
    local, own = project / ".dvc" / "config.local", folder / ".dvc" / "config.local"
    own.unlink(missing_ok=True)
    if local.is_file():
        shutil.copyfile(local, own)
    with Repo(str(project)) as there:
        cache = there.cache.local_cache_dir
    with Repo(str(folder)) as here, here.config.edit("local") as settings:
        settings["cache"] = {**settings.get("cache", {}), "dir": cache, "type": LINKS}


def _take_checkpoint(project: Path, folder: Path, recipe: str) -> None:
    """Begin a new workspace with the newest training of the recipe.

    It is used where all that decides it is the same: a run that changes the threshold alone trains nothing.
    """
    own = folder / CHECKPOINT.format(recipe=recipe)
    others = [place / CHECKPOINT.format(recipe=recipe) for place in (project, *(project / RUNS).glob("*"))]
    others = [file for file in others if file.is_file()]
    if own.is_file() or not others:
        return
    partial = own.with_name(f"{own.name}.taken")
    own.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):  # that workspace was just swept away
        shutil.copyfile(max(others, key=lambda file: file.stat().st_mtime), partial)
        partial.rename(own)


def _take_production(project: Path, folder: Path, recipe: str) -> None:
    """The model in production as the registry's tags say, whatever the revision says of it."""
    git(folder, "clean", "--quiet", "--force", "-dx", "--", str(PRODUCTION))  # what an earlier run released
    if current := production(project, recipe):
        wanted = [str(PRODUCTION / name) for name in (f"{recipe}.json", f"{recipe}.dvc", ".gitignore")]
        names = git(folder, "ls-tree", "--name-only", current.commit, "--", *wanted).splitlines()
        git(folder, "checkout", "--quiet", current.commit, "--", *names)
        git(folder, "reset", "--quiet")
    _checkout(folder, PRODUCTION / f"{recipe}.dvc")


def _take_data(project: Path, folder: Path, order: Order) -> None:
    """The raw data of the recipe: from the cache, from where they came from, or as they lie in the project."""
    recipes = read_yaml(folder / "params.yaml")["recipes"]
    if order.recipe not in recipes:
        raise ChainError(f"params.yaml has no recipe {order.recipe!r}, only {', '.join(sorted(recipes))}.")
    data = RAW / str(recipes[order.recipe])
    pointer = data.with_name(f"{data.name}.dvc")
    if order.new_data and (folder / pointer).is_file():
        _take_new(project, folder, data, pointer)
    if (folder / pointer).is_file():
        _checkout(folder, pointer)
    elif (project / data).is_dir() and not _made_by_a_stage(folder, data):
        (folder / data).parent.mkdir(parents=True, exist_ok=True)
        if not (folder / data).exists():
            (folder / data).symlink_to(project / data)


def _take_new(project: Path, folder: Path, data: Path, pointer: Path) -> None:
    """Keep the data as they are now as a version of the clone: imported ones from their source, others as they lie."""
    with Repo(str(folder)) as repo:
        stage = repo.stage.load_one(str(folder / pointer))
        try:
            with complete():
                if stage.is_import:
                    repo.update([str(folder / pointer)])
                elif (project / data).is_dir():
                    shutil.rmtree(folder / data, ignore_errors=True)  # else the new data would go into it
                    repo.add([str(project / data)], out=str(folder / data), force=True)
        except LockError:
            raise
        except DvcException as error:
            raise _fault(error, f"DVC cannot keep the newest {data}") from None


def _checkout(folder: Path, pointer: Path) -> None:
    """Bring what a .dvc file names from the cache, or else from the remote; the stage that needs it says what lacks."""
    if not (folder / pointer).is_file():
        return
    target = [str(folder / pointer)]
    with Repo(str(folder)) as repo:
        try:
            repo.checkout(target, force=True)
        except CheckoutError:
            if repo.config["core"].get("remote"):
                _pull(repo, target)


def _pull(repo: Repo, target: list[str]) -> None:
    try:
        with complete():
            repo.pull(target, force=True)
    except LockError:
        raise
    except DvcException as error:
        mend = "Mend it (`dvc remote list`), or bring the data here by `dvc pull`."
        raise _fault(error, f"The remote does not give {target[0]}", mend) from None


def _fault(error: DvcException, what: str, *mend: str) -> ChainError:
    """What to raise for an error of DVC: it is this machine's disk, or else the remote."""
    if said := disk_sentence(error):
        return DiskError(said)
    return RemoteError(" ".join([f"{what} ({' '.join(str(error).split())}).", *mend]))


def _made_by_a_stage(folder: Path, data: Path) -> bool:
    with Repo(str(folder)) as repo:
        return any(Path(out.fs_path) == folder / data for out in repo.index.outs)
