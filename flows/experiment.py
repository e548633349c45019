"""One training run as a DVC experiment, in a folder of its own: the working copy stays as it is.

It ends with the train stage. What it is judged by are validation images; no test image is read.
"""

import io
import json
import logging
from collections.abc import Sequence
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dvc.api
import pandas as pd
from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo
from dvc.scm import SCMError

from flows.noise import without_noise
from flows.stages import fault_file, quiet, reason
from pipelines.errors import ChainError

LAST = "train"


@dataclass(frozen=True)
class Experiment:
    """A run that ended: its name among DVC's experiments, its assignments, its figures and history on validation."""

    name: str
    assignments: tuple[str, ...]
    figures: dict[str, Any]


def run(root: Path, recipe: str, assignments: Sequence[str]) -> Experiment:
    """Train a recipe with some numbers changed, as an experiment of DVC.

    Args:
        root: the project, a git checkout with at least one commit.
        assignments: `section.key=value`.
    Raises:
        ChainError: the run failed, or the project is no git checkout; the message is the stage's own.
    """
    quiet(logging.getLogger("dvc"), logging.getLogger("dvc_data"), logging.getLogger("dvc_task"))
    params = [f"recipes/{recipe}.yaml:{assignment}" for assignment in assignments]
    with chdir(root), without_noise(), fault_file() as fault:
        try:
            with Repo(str(root)) as repo:
                revision = next(iter(repo.experiments.run([f"{LAST}@{recipe}"], params=params, tmp_dir=True)))
                name = repo.experiments.get_exact_name([revision])[revision] or revision[:7]
        except (DvcException, LockError, SCMError) as error:
            raise ChainError(reason(f"{LAST}@{recipe}", error, fault)) from None
        figures, history = (
            dvc.api.read(f"data/{recipe}/model/{file}", repo=str(root), rev=revision)
            for file in ("validation.json", "history.csv")
        )
    rows = pd.read_csv(io.StringIO(history)).to_dict("records")
    return Experiment(name, tuple(assignments), {**json.loads(figures), "history": rows})
