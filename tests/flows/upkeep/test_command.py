import subprocess
import sys

import pytest

from tests.flows.projects import ROOT

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # of dulwich, which DVC reads git with


def test_a_dry_run_says_what_would_go_and_touches_nothing(project, upkeep):
    project.train(1)
    project.train(2)
    before = project.objects()
    status, said = upkeep()
    assert status == 0
    assert project.objects() == before
    assert "would go  DVC's cache: 4 files" in said  # a list, its two files, and the remembered run
    assert "would come free: python -m flows.upkeep --yes" in said


def test_as_many_bytes_come_free_as_were_announced(project, upkeep):
    project.train(1)
    project.train(2)
    announced = upkeep()[1].splitlines()[-1].split(" would")[0]
    taken = sum(path.stat().st_blocks for path in (project.root / ".dvc/cache").rglob("*") if path.is_file())
    said = upkeep("--yes")[1]
    left = sum(path.stat().st_blocks for path in (project.root / ".dvc/cache").rglob("*") if path.is_file())
    assert said.splitlines()[-1] == f"{announced} came free."
    assert announced == f"{(taken - left) / 2:.0f} KiB"


def test_a_second_run_finds_nothing(project, upkeep):
    project.train(1)
    project.train(2)
    project.workspace("demo-1")
    assert "came free" in upkeep("--yes", days=20)[1]
    assert upkeep("--yes", days=20) == (0, "Nothing to remove.\n")
    assert upkeep(days=20) == (0, "Nothing to remove.\n")


def test_what_was_left_half_written_goes_after_a_day(project, upkeep):
    project.train(1)
    left = [project.root / "data/demo/checks.partial/index.html", project.root / "dvc.lock.partial"]
    left.append(project.root / ".filmgate/bentoml/unpacked/.unpacking-x/bento/bento.yaml")
    going_on = project.root / "data/downloads/mnist/images.gz.partial"
    for path in (*left, going_on):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("half")
    assert upkeep("--yes", days=0.5)[1] == "Nothing to remove.\n"
    assert upkeep("--yes", days=1.5)[1].count("half written") == 3
    assert not [path for path in left if path.exists()]
    assert going_on.exists()


def test_a_folder_that_cannot_be_removed_is_said_and_the_rest_goes(project, upkeep, monkeypatch):
    project.train(1)
    project.workspace("demo-1")
    project.workspace("demo-2")
    from flows.upkeep import command

    def stubborn(path, remove=command.remove):
        if path.name == "demo-1":
            raise PermissionError(13, "Permission denied", str(path))
        remove(path)

    monkeypatch.setattr(command, "remove", stubborn)  # whoever runs the tests may be allowed everything
    status, said = upkeep("--yes", days=20)
    assert status == 1
    assert "kept      .filmgate/runs/demo-1: it cannot be removed" in said
    assert "removed   .filmgate/runs/demo-2" in said


def test_the_command_runs_in_this_project_as_a_dry_run():
    said = subprocess.run([sys.executable, "-m", "flows.upkeep"], cwd=ROOT, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert said.stdout.splitlines()[-1].endswith(("Nothing to remove.", "python -m flows.upkeep --yes"))
