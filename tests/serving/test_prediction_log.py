import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from pipelines.errors import ReleaseError
from serving.prediction_log import PredictionLog
from serving.runtime import Predictor

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def predicted(release_model, tmp_path, as_png, rng):
    release_model(tmp_path / "model")
    predictor = Predictor(tmp_path / "model")
    film = predictor.read(as_png(rng.integers(0, 256, (90, 120), dtype=np.uint8)))
    return film, predictor.answer(film, predictor.run(film.frame[None]))


@pytest.fixture
def log(tmp_path):
    """Opens the log of this test: `log(most_bytes=2000)`."""
    with ExitStack() as opened:

        def build(most_bytes=10_000):
            made = PredictionLog(tmp_path / "log", most_bytes, 2)
            opened.callback(made.close)
            return made

        yield build


def lines(folder):
    return [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]


def whole_lines(folder):
    return (folder / "predictions.jsonl").read_text().rpartition("\n")[0].splitlines()


def test_a_line_has_what_watching_needs_and_no_pixels(predicted, log, tmp_path):
    film, answer = predicted
    log().write("an-id", "/predict", film, answer)
    (line,) = lines(tmp_path / "log")
    assert list(line) == [
        *("time", "request_id", "call", "sha256", "bytes", "width", "height", "mode", "bits"),
        *("mean", "std", "dark", "bright", "border", "colour"),
        *("label", "probability", "decision", "familiarity", "model_recipe", "model_version", "model_sha256"),
    ]
    assert line["sha256"] == film.facts["sha256"] != line["model_sha256"]
    assert datetime.fromisoformat(line["time"]).utcoffset().total_seconds() == 0
    assert (line["width"], line["height"], line["mode"], line["bits"]) == (120, 90, "L", 8)
    assert line["probability"] == answer["probability"]
    assert line["mean"] == pytest.approx(127.5, abs=3)


def test_the_log_rotates_and_keeps_so_many_files(predicted, log, tmp_path):
    kept = log(most_bytes=2_000)
    for _ in range(40):
        kept.write("an-id", "/predict", *predicted)
    files = sorted(path.name for path in (tmp_path / "log").iterdir())
    assert files == ["predictions.jsonl", "predictions.jsonl.1", "predictions.jsonl.2"]
    assert all((tmp_path / "log" / file).stat().st_size <= 2_000 for file in files)


def test_a_second_start_goes_on_where_the_first_ended(predicted, log, tmp_path):
    for _ in range(2):
        log().write("an-id", "/predict", *predicted)
    assert len(lines(tmp_path / "log")) == 2


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ReleaseError, match="FILMGATE_PREDICTION_LOG"):
        PredictionLog(tmp_path / "file" / "log", 10_000, 2)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_who_writes_hears_that_the_disk_is_full(predicted, log, tmp_path):
    (tmp_path / "log").mkdir()
    (tmp_path / "log/predictions.jsonl").symlink_to("/dev/full")
    kept = log()
    with pytest.raises(OSError, match="No space left"):
        kept.write("an-id", "/predict", *predicted)


def test_a_process_that_is_killed_has_kept_every_line(tmp_path):
    script = """
import sys
from types import SimpleNamespace
from pipelines.statistics import Statistics
from serving.prediction_log import PredictionLog
from serving.runtime import Film
film = Film(None, Statistics(1.0, 1.0, 0.0, 0.0, 1.0, 0.0, b""), {})
answer = {"label": "A", "probability": 0.5, "decision": "A", "familiarity": 1.0, "model": {"sha256": "2"}}
log = PredictionLog(__import__("pathlib").Path(sys.argv[1]), 10**9, 1)
for number in range(10**6):
    log.write(str(number), "/predict", film, answer)
    print(number, flush=True)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ}
    ) as process:
        time.sleep(0.5 if process.stdout.readline() else 0)
        process.kill()
        answered = [int(line) for line in process.stdout.read().splitlines() if line]
    kept = [int(json.loads(line)["request_id"]) for line in whole_lines(tmp_path)]
    assert len(answered) > 100
    assert kept[1 : len(answered) + 1] == answered  # the first was read before
