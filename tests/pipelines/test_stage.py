import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.errors import DataError
from pipelines.recipe import ImageParams, TrainParams
from pipelines.stage import FAULT_FILE, KIND, PARENT, SECONDS, command, fresh_file, fresh_folder, signature

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "recipes" / "demo.yaml"


def stage(raw: Path, made: Path, recipe: str, image: ImageParams, train: TrainParams) -> None:
    """A stage."""
    (made).write_text(f"{recipe} {raw} {image.height} {train.epochs}")


def failing(raw: Path) -> None:
    """A stage that finds a fault."""
    raise DataError("Nothing there. Put something there.")


def test_a_path_is_an_option_and_the_rest_are_sections():
    assert signature(stage) == (["raw", "made"], ["recipe", "image", "train"])


def test_a_command_runs_its_stage_with_files_and_sections(tmp_path):
    made = tmp_path / "made"
    command(stage, ["--recipe", str(DEMO), "--raw", "here", "--made", str(made)])
    assert made.read_text().startswith("demo here 96 ")


def test_a_fault_is_one_sentence_and_exit_status_1(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv(FAULT_FILE, str(tmp_path / "fault"))
    with pytest.raises(SystemExit) as caught:
        command(failing, ["--recipe", str(DEMO), "--raw", "here"])
    assert caught.value.code == 1
    assert capsys.readouterr().err == "error: Nothing there. Put something there.\n"
    assert (tmp_path / "fault").read_text() == "Nothing there. Put something there."


def test_a_fresh_folder_replaces_the_old_one_only_when_it_is_whole(tmp_path):
    folder = tmp_path / "made"
    with fresh_folder(folder) as partial:
        (partial / "first").touch()
    with pytest.raises(RuntimeError), fresh_folder(folder) as partial:
        (partial / "second").touch()
        raise RuntimeError
    assert [path.name for path in tmp_path.rglob("*")] == ["made", "first"]


def test_a_fresh_file_replaces_the_old_one_only_when_it_is_whole(tmp_path):
    file = tmp_path / "made"
    with fresh_file(file) as partial:
        partial.write_text("first")
    with pytest.raises(RuntimeError), fresh_file(file) as partial:
        partial.write_text("second")
        raise RuntimeError
    assert file.read_text() == "first"
    assert list(tmp_path.iterdir()) == [file]


def test_a_stage_ends_soon_after_the_flow_that_started_it_was_killed():
    flow = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    code = "import time\nfrom pipelines.stage import _end_with_parent\n_end_with_parent()\ntime.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env={**os.environ, PARENT: str(flow.pid)})
    time.sleep(1)
    assert child.poll() is None
    flow.kill()
    flow.wait()
    assert child.wait(timeout=10) == 1


def test_a_stage_that_takes_too_long_is_ended_and_leaves_a_sentence(tmp_path):
    code = "import time\nfrom pipelines.stage import _end_in_time\n_end_in_time()\ntime.sleep(60)"
    told = {SECONDS: "0.5", FAULT_FILE: str(tmp_path / "fault")}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={**os.environ, **told}, capture_output=True)
    assert done.returncode == 1
    assert "was not done in the 0.000139 hours that it was given" in (tmp_path / "fault").read_text()
    assert (tmp_path / "fault").with_suffix(KIND).read_text() == "ChainError"
