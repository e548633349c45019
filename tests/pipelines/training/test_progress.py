import os
import subprocess
import sys

import psutil
import pytest

from pipelines.training.progress import Progress

ROW = {"phase": "whole", "epoch": 1, "loss": 0.7, "val_loss": 0.6, "val_auc": 0.91, "val_accuracy": 0.8}


def show(progress, *rows):
    for row in rows:
        progress.begin("whole", images=16)
        progress.advance(16)
        progress.trained()
        progress.told(row, epochs=4)
    progress.end()


def test_an_epoch_is_a_line_with_its_figures_speed_and_time_left(capsys):
    show(Progress(None), ROW)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("whole   1/4  loss 0.7000  val_loss 0.6000  val_auc 0.9100  val_accuracy 0.8000  ")
    assert "images/s  about 0 s left" in line


def test_curves_grow_with_each_epoch_and_go_on_where_they_stood(tmp_path):
    show(Progress(tmp_path), ROW, {**ROW, "epoch": 2, "val_auc": 0.95})
    show(Progress(tmp_path, resumed=True), {**ROW, "epoch": 3, "val_auc": 0.97})
    lines = (tmp_path / "plots" / "metrics" / "val_auc.tsv").read_text().split()
    assert lines == ["step", "val_auc", "0", "0.91", "1", "0.95", "2", "0.97"]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A checkout with packed objects, under DVC."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("text")
    name = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    for words in (("init", "-q"), ("add", "file"), (*name, "commit", "-qm", "one"), ("gc", "-q")):
        subprocess.run(["git", *words], check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], check=True, env={**os.environ, "DVC_NO_ANALYTICS": "1"})
    return tmp_path


def test_no_file_of_the_project_stays_open(project):
    assert list((project / ".git" / "objects" / "pack").glob("*.pack"))
    progress = Progress(project / "live")
    held = [file.path for file in psutil.Process().open_files() if file.path.startswith(str(project))]
    progress.end()
    assert not held
