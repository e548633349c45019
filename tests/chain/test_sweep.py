"""A search, for real: DVC experiments of a small demo as subflows of a Prefect server."""

import json
import os
import subprocess
import sys
import urllib.request

import dvc.api
import pandas as pd
import pytest
from ruamel.yaml import YAML

pytestmark = pytest.mark.slow


def ask(server, path, body):
    request = urllib.request.Request(f"{server}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def test_a_search_ranks_its_runs_on_validation_and_leaves_the_project_as_it_is(released):
    before = (released.recipe.read_text(), (released.data / "model" / "card.json").read_text())
    grid = ["train.epochs=1,2", "train.devices=one,workers"]
    options = [word for line in grid for word in ("--grid", line)]
    done = subprocess.run(
        [sys.executable, "-m", "flows.sweep", "--recipe", "demo", *options],
        cwd=released.root,
        env={**os.environ, "PREFECT_API_URL": released.server, "PYTHONUNBUFFERED": "1"},
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (released.recipe.read_text(), (released.data / "model" / "card.json").read_text()) == before

    runs = pd.read_csv(released.root / ".filmgate" / "sweeps" / "demo" / "runs.csv")
    well = runs[runs["failed"].isna()]
    assert well["auc"].is_monotonic_decreasing
    assert set(well["changed"]) == {"train.epochs=1 train.devices=one", "train.epochs=2 train.devices=one"}
    assert runs["failed"].dropna().str.contains("TF_CONFIG is not set").all()
    assert (released.root / ".filmgate" / "sweeps" / "demo" / "runs.png").is_file()

    _kept_as_experiments(released, well)
    flows = ask(released.server, "/flow_runs/filter", {"limit": 20, "sort": "START_TIME_DESC"})
    assert sum(flow["parent_task_run_id"] is not None for flow in flows) == 4


def _kept_as_experiments(released, well):
    """Each run stands among DVC's experiments, under the name that the table gives, with its own numbers."""
    listed = subprocess.run(
        [sys.executable, "-m", "dvc", "exp", "list", "--name-only"], cwd=released.root, capture_output=True, text=True
    ).stdout.split()
    assert set(well["experiment"]) <= set(listed)
    for row in well.itertuples():
        kept = {"repo": str(released.root), "rev": row.experiment}
        recipe = YAML(typ="safe").load(dvc.api.read("recipes/demo.yaml", **kept))
        assert f"train.epochs={recipe['train']['epochs']} " in row.changed
        assert json.loads(dvc.api.read("data/demo/model/validation.json", **kept))["auc"] == pytest.approx(row.auc)
