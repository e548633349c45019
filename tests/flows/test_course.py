"""The course of a run with a stage that finds no room in memory, which a smaller batch does."""

import pytest
from prefect import flow

from flows.course import course
from flows.stages import Chain
from flows.workspace import Order, prepare
from pipelines.recipe_file import read_yaml
from tests.flows.projects import ROOT, git, project_with_data

TRAIN = """
import os, sys
from pathlib import Path
from pipelines.errors import GateError, OutOfMemoryError
from pipelines.recipe_file import load
from pipelines.stage import _left_for_the_flow

batch = load(Path("recipes/demo.yaml")).train.batch
with _left_for_the_flow():
    if batch > int(Path("room").read_text()):
        raise OutOfMemoryError(f"The device ran out of memory with {batch} images a step.")
Path("data/demo/weights").write_text(str(batch))
"""
STAGE = """
  train:
    foreach: ${recipes}
    do:
      cmd: python train.py
      deps:
        - room
        - data/${key}/manifest.parquet
        - recipes/${key}.yaml
      outs:
        - data/${key}/weights
"""


@pytest.fixture
def chain(tmp_path, server, monkeypatch):
    """A chain in a workspace whose device has room for so many images: `chain(8)`."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def make(room):
        project = project_with_data(tmp_path / "project")
        (project / "train.py").write_text(TRAIN)
        (project / "room").write_text(str(room))
        stages = (
            (project / "dvc.yaml")
            .read_text()
            .replace("      - recipes/", "      - data/${key}/weights\n        - recipes/")
        )
        (project / "dvc.yaml").write_text(stages + STAGE)
        git(project, "add", "-A")
        git(project, "commit", "-qm", "a stage that trains")
        return Chain(prepare(project, Order("demo")), "demo")

    return make


@flow(validate_parameters=False)
def run(chain, **options):
    return course(chain, 60, **options)


def batch_of(chain):
    return read_yaml(chain.root / "recipes" / "demo.yaml")["train"]["batch"]


def test_a_batch_that_does_not_fit_is_halved_until_it_does(chain, capsys):
    chain = chain(8)
    assert run(chain, may_shrink=True, return_state=True).is_completed()
    assert "out of memory, tried again with train.batch=16" in capsys.readouterr().out
    assert batch_of(chain) == 8
    assert (chain.root / "data/demo/weights").read_text() == "8"


def test_where_nothing_fits_the_run_ends_in_the_stages_own_sentence(chain):
    state = run(chain(0), may_shrink=True, return_state=True)
    assert state.is_failed()
    assert state.message == "The device ran out of memory with 1 images a step."


def test_the_working_copys_recipe_is_left_alone(chain):
    chain = chain(8)
    state = run(chain, return_state=True)
    assert state.message == "The device ran out of memory with 32 images a step."
    assert batch_of(chain) == 32
