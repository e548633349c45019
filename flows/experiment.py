"""One training run as a DVC experiment, in a folder of its own: the working copy stays as it is.

It ends with the train stage. What it is judged by are validation images; no test image is read.
"""

import io
import json
from collections.abc import Sequence
from contextlib import chdir
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dvc.api
from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo
from scmrepo.exceptions import SCMError  # what DVC lets through when git cannot

from flows.git import git
from flows.noise import without_noise
from flows.stages import fault_file, reason
from flows.strict_dvc import complete, quiet
from pipelines.errors import ChainError
from pipelines.sentences import disk_faults

LAST = "train"
EXPERIMENTS = "refs/exps"


@dataclass(frozen=True)
class Experiment:
    """A run that ended: its name among DVC's experiments, its assignments, its figures and history on validation."""

    name: str
    assignments: tuple[str, ...]
    figures: dict[str, Any]


@disk_faults()
def run(root: Path, recipe: str, assignments: Sequence[str]) -> Experiment:
    """Train a recipe with some numbers changed, as an experiment of DVC.

    Args:
        root: the project, a git checkout with at least one commit.
        assignments: `section.key=value`.
    Raises:
        ChainError: the run failed, or the project is no git checkout; the message is the stage's own.
    """
    quiet()
    params = [f"recipes/{recipe}.yaml:{assignment}" for assignment in assignments]
    with chdir(root), without_noise(), fault_file() as fault:
        try:
            with Repo(str(root)) as repo, complete():
                revision = next(iter(repo.experiments.run([f"{LAST}@{recipe}"], params=params, tmp_dir=True)))
                name = repo.experiments.get_exact_name([revision])[revision] or revision[:7]
        except (DvcException, LockError, SCMError) as error:
            raise ChainError(reason(f"{LAST}@{recipe}", error, fault)) from None
        figures, history = (
            dvc.api.read(f"data/{recipe}/model/{file}", repo=str(root), rev=revision)
            for file in ("validation.json", "history.csv")
        )
    import pandas as pd

    rows = pd.read_csv(io.StringIO(history)).to_dict("records")
    return Experiment(name, tuple(assignments), {**json.loads(figures), "history": rows})


def record(project: Path, folder: Path, recipe: str, stages: Sequence[str]) -> str:
    """Make what a run left in its workspace an experiment of the project.

    Args:
        folder: the workspace, a clone at the revision that the run began with.
        stages: those that ended well, in their order.
    Returns:
        its name among DVC's experiments.
    Raises:
        ChainError: DVC cannot keep it.
    """
    name = f"{recipe}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    with chdir(folder), without_noise():
        try:
            with Repo(str(folder)) as repo, complete():
                repo.experiments.save(targets=[stages[-1]], name=name, force=True)
        except (DvcException, LockError, SCMError) as error:
            raise ChainError(f"DVC cannot keep the run as an experiment ({' '.join(str(error).split())}).") from None
    publish(project, folder)
    return name


def publish(project: Path, folder: Path) -> None:
    """Bring the experiments of a clone to the project they belong to."""
    base = git(folder, "rev-parse", "HEAD")
    place = f"{EXPERIMENTS}/{base[:2]}/{base[2:]}/*"
    git(project, "fetch", "--quiet", "--no-tags", str(folder), f"+{place}:{place}")
