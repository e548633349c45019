"""A run that is killed in the middle of a stage, and run again, ends like one that was not."""

import json
import os
import re
import signal
import time

import pytest

STAGES = ["draw", *(f"{s}@demo" for s in ("ingest", "validate", "preprocess", "train", "evaluate", "package"))]


def outcome(project):
    """What a run trained, what it measured, and on what it decided."""
    files = ("model/card.json", "evaluation/metrics.json", "evaluation/gates.json")
    return [json.loads((project.data / file).read_text()) for file in files]


def durations(project):
    """Seconds that each stage of the last run took, as it said itself."""
    return {stage: float(took) for stage, took in re.findall(r"\] (\S+): done, ([\d.]+) s", project.output())}


def kill_in(project, stage, seconds):
    """Start the flow and kill it, without a chance to tidy up, some seconds into a stage."""
    flow = project.start()
    while f"] {stage}\n" not in project.output():
        assert flow.poll() is None, project.output()
        time.sleep(0.05)
    time.sleep(seconds)
    assert flow.poll() is None
    os.kill(flow.pid, signal.SIGKILL)
    flow.wait()
    assert f"{stage}: " not in project.output(), f"{stage} ended before it was killed"


@pytest.mark.slow
def test_a_run_killed_in_every_stage_ends_like_an_unbroken_one(new_project):
    unbroken, killed = new_project(), new_project()
    status, output = unbroken.retrain()
    assert status == 0, output
    seconds = durations(unbroken)
    for stage in STAGES:
        kill_in(killed, stage, seconds[stage] * 0.4)
    status, output = killed.retrain()
    assert status == 0, output
    assert outcome(killed) == outcome(unbroken)
    assert not list(killed.data.rglob("*.partial*"))
