"""Runs of a worker that are killed at random moments: the next run ends as if nothing had happened."""

import json
import random
import shutil
import subprocess
import sys
import time

import psutil
import pytest

from pipelines.card import sha256

SEED = 8
QUARTERS = 4  # of a run, in each of which as many kills fall: the last one packages, and keeps the version
# All but pages, model.keras and the release, which hold the time of their making.
LASTING = ("manifest.parquet", "checks/*.json", "checks/*.csv", "prepared/*", "model/model.onnx", "model/*.json")
LASTING += ("model/*.csv", "evaluation/*.json", "evaluation/*.csv", "evaluation/*.parquet")


def outs(house):
    """SHA-256 of what a run made, and the model that it released."""
    folder = house.root / ".filmgate" / "runs" / "demo" / "data" / "demo"
    files = [file for pattern in LASTING for file in folder.glob(pattern)]
    release = json.loads((folder / "release" / "release.json").read_text())
    assert sha256(folder / "model" / "model.onnx") == release["model_sha256"]
    return {str(file.relative_to(folder)): sha256(file) for file in files}


def forget(house):
    """Let the next run compute everything again: DVC's memory of runs goes, and the workspace. Production stays."""
    for folder in (".filmgate/runs", ".dvc/cache/runs"):
        shutil.rmtree(house.root / folder, ignore_errors=True)


def processes(house):
    """The flow's process, its stage, and whatever they started."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or ())
        if "-m prefect.engine" in line and process.environ().get("FILMGATE_PROJECT") == str(house.root):
            found += [process, *process.children(recursive=True)]
    return found


def kill_one(house, draw):
    """SIGKILL to the flow or to what it runs, half and half: what it hit, and when; None if that had just ended."""
    flow, *below = processes(house) or [None]
    if flow is None:
        return None
    victim = draw.choice(below) if below and draw.random() < 0.5 else flow
    at = next((line for line in map(words, below) if "-m pipelines." in line), "between two stages")
    about = f"{'the flow' if victim is flow else words(victim)[:60]}, at: {at.split(' --')[0][-40:]}"
    try:
        victim.kill()
    except psutil.NoSuchProcess:
        return None
    return about


def words(process):
    """Its command line, empty of a process that is gone."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def nothing_is_left_behind(house):
    """No lock of git, no half-written file; DVC's lock can be had, and finds everything done."""
    folder = house.root / ".filmgate" / "runs" / "demo"
    assert not list((house.root / ".git").rglob("*.lock"))
    assert not list((folder / ".git").rglob("*.lock"))
    assert not list((folder / "data").rglob("*.partial*"))
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "status", "package@demo"], cwd=folder, capture_output=True, text=True
    )
    assert "up to date" in done.stdout, done.stdout + done.stderr


def production(house):
    """What is in production: the tags, and the bento that they name, which must be the one they mean."""
    status, output = house.command("flows.deploy", "fetch", "--recipe", "demo", "--version", "v1.0.0")
    assert status == 0, output
    return house.git("for-each-ref", "--format=%(refname) %(objectname)", "refs/tags")


@pytest.fixture
def house(new_house):
    return new_house()


@pytest.mark.large
@pytest.mark.parametrize("kills", [20])
def test_a_run_killed_at_any_moment_ends_as_an_unbroken_one_when_run_again(house, kills):
    draw = random.Random(SEED)
    finished(house)
    status, output = house.command("flows.deploy", "promote", "--recipe", "demo")
    assert status == 0, output
    forget(house)
    begun = time.monotonic()
    finished(house)
    took, expected, named = time.monotonic() - begun, outs(house), production(house)
    killed = 0
    while killed < kills:
        forget(house)
        run = house.trigger("retrain/retrain", propose=False)
        house.wait(run, "RUNNING")
        time.sleep(took * (killed % QUARTERS + draw.random()) / QUARTERS)
        if (victim := kill_one(house, draw)) is None:  # it was quicker than the first
            took *= 0.95
            house.wait(run)
            continue
        killed += 1
        print(f"kill {killed}: {victim}", flush=True)
        assert production(house) == named
        house.wait(run)
        finished(house)
        made = outs(house)
        assert made == expected, {name for name in expected | made if expected.get(name) != made.get(name)}
        assert production(house) == named
        nothing_is_left_behind(house)


def finished(house):
    """A run of the worker that goes through to its end."""
    run = house.wait(house.trigger("retrain/retrain", propose=False))
    assert run["state_type"] == "COMPLETED", run["state"]["message"]
