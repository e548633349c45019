import os
import shutil
import subprocess
import sys
import time

import pytest
from dvc.repo import Repo

from flows.held import held_by_us
from flows.upkeep.workspaces import lock_of
from tests.flows.projects import git

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # of dulwich, which DVC reads git with


def test_what_a_workspace_names_stays_as_long_as_the_workspace(project, upkeep):
    project.train(1)
    folder = project.workspace("demo-1", number=5)
    assert upkeep("--yes") == (0, "Nothing to remove.\n")
    shutil.rmtree(folder / "data")
    with Repo(str(folder)) as repo:
        repo.checkout(force=True)
    assert (folder / "data/demo/model/card.json").read_text() == "5"
    said = upkeep("--yes", days=15)[1]
    assert "removed   .filmgate/runs/demo-1" in said
    assert "removed   DVC's cache: 4 files" in said
    assert not folder.exists()
    assert not lock_of(folder).exists()


def test_a_dry_run_counts_what_only_an_old_workspace_names(project, upkeep):
    project.train(1)
    project.workspace("demo-1", number=5)
    assert "would go  DVC's cache: 4 files" in upkeep(days=15)[1]


def test_a_workspace_that_is_held_is_not_touched(project, upkeep):
    project.train(1)
    folder = project.workspace("demo-1", number=5)
    with held_by_us(lock_of(folder)):
        assert upkeep("--yes", days=30) == (0, "Nothing to remove.\n")
    assert (folder / "data/demo/model/card.json").read_text() == "5"


def test_a_workspace_in_which_a_process_works_is_not_touched(project, upkeep):
    project.train(1)
    folder = project.workspace("demo-1")
    with subprocess.Popen([sys.executable, "-c", "input()"], cwd=folder, stdin=subprocess.PIPE) as process:
        assert upkeep("--yes", days=30) == (0, "Nothing to remove.\n")
        process.communicate(b"\n")
    assert "removed   .filmgate/runs/demo-1" in upkeep("--yes", days=30)[1]


def test_a_workspace_of_late_is_kept_and_looking_at_it_does_not_make_it_younger(project, upkeep):
    project.train(1)
    project.workspace("demo-1")
    assert upkeep("--yes", "--days", "14", days=13)[1] == "Nothing to remove.\n"
    before = time.time()
    os.utime(project.root / ".filmgate/runs/demo-1.lock", (before, before))
    upkeep("--yes")
    assert "removed   .filmgate/runs/demo-1" in upkeep("--yes", "--days", "14", days=14.1)[1]


def test_a_search_that_was_killed_leaves_a_folder_that_goes(project, upkeep):
    project.train(1)
    folder = project.root / ".dvc/tmp/exps/standalone/tmpabc"
    shutil.copytree(project.root, folder, ignore=shutil.ignore_patterns("exps", "cache"))
    assert upkeep("--yes", days=13) == (0, "Nothing to remove.\n")
    assert "search that was cut short" in upkeep("--yes", days=15)[1]
    assert not folder.exists()


def test_the_trials_of_a_search_that_has_a_workspace_are_known_too(project, upkeep):
    project.train(1)
    trial = project.workspace("demo-sweep") / ".dvc/tmp/exps/standalone/tmpabc"
    git(project.root, "clone", "-q", str(project.root), str(trial))
    (trial / ".dvc" / "config.local").write_text(f"[cache]\n    dir = {project.root}/.dvc/cache\n")
    (trial / "number.txt").write_text("6")
    project.reproduce(trial)
    assert upkeep("--yes") == (0, "Nothing to remove.\n")
    with held_by_us(lock_of(project.root / ".filmgate/runs/demo-sweep")):
        said = upkeep("--yes", days=15)[1]
    assert "removed   .filmgate/runs/demo-sweep/.dvc/tmp/exps/standalone/tmpabc" in said
    assert "removed   DVC's cache: 4 files" in said
