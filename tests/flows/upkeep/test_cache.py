import fcntl
import shutil

import pytest

from flows.held import held_by_us
from flows.workspace import SWEPT
from tests.flows.projects import git
from tests.flows.upkeep.project import Project

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # of dulwich, which DVC reads git with


def test_what_a_tag_names_is_had_from_the_cache_afterwards_and_what_nobody_names_is_not(project, upkeep):
    for number in (1, 2, 3):
        project.train(number)
    git(project.root, "tag", "-a", "demo@v1.0.0", "-m", "the first", "HEAD~2")
    assert upkeep("--yes")[0] == 0
    project.checkout("demo@v1.0.0")
    assert (project.model / "model.onnx").read_text() == "1" * 20000
    assert (project.model / "card.json").read_text() == "1"
    project.checkout("main")
    assert (project.model / "card.json").read_text() == "3"
    with pytest.raises(Exception, match="Checkout failed"):
        project.checkout("main~1")


@pytest.mark.parametrize("name", ["branch", "experiment", "stash", "another repository's branch"])
def test_whatever_git_has_a_name_for_stays(project, upkeep, name):
    project.train(1)
    project.train(2)
    old = git(project.root, "rev-parse", "HEAD~1")
    if name == "stash":
        (project.root / "dvc.lock").write_text(git(project.root, "show", f"{old}:dvc.lock") + "\n")
        git(project.root, "stash")
        (project.root / "make.py").write_text("a later edit")
        git(project.root, "stash")
    else:
        ref = {
            "branch": "refs/heads/other",
            "experiment": f"refs/exps/{old[:2]}/{old[2:]}/bold-wren",
            "another repository's branch": "refs/remotes/origin/main",
        }
        git(project.root, "update-ref", ref[name], old)
    assert upkeep("--yes") == (0, "Nothing to remove.\n")
    project.checkout(old)
    assert (project.model / "card.json").read_text() == "1"


def test_raw_data_stay_in_every_version_that_was_ever_committed(project, upkeep):
    project.add("of March")
    project.add("of April")
    git(project.root, "commit", "-q", "--amend", "-m", "amended")
    assert upkeep("--yes") == (0, "Nothing to remove.\n")
    project.checkout("main~1", "data/raw.dvc")
    assert (project.root / "data/raw/film.txt").read_text() == "of March"


def test_what_is_not_committed_yet_stays(project, upkeep):
    project.train(1)
    (project.root / "number.txt").write_text("7")
    project.reproduce(project.root)
    upkeep("--yes")
    shutil.rmtree(project.model)
    with project.repo() as repo:
        repo.checkout(force=True)
    assert (project.model / "card.json").read_text() == "7"


def test_a_lock_of_dvc_that_is_held_is_respected_and_said(project, upkeep):
    project.train(1)
    project.train(2)
    before = project.objects()
    with (project.root / ".dvc/tmp/lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        status, said = upkeep("--yes")
    assert status == 0
    assert f"kept      DVC's cache: A run in {project.root} is writing to DVC's cache. Try again later." in said
    assert project.objects() == before


def test_a_workspace_that_writes_to_the_cache_is_waited_for(project, upkeep):
    project.train(1)
    project.train(2)
    folder = project.workspace("demo-1", number=5)
    before = project.objects()
    with (folder / ".dvc/tmp/lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert f"A run in {folder} is writing to DVC's cache" in upkeep("--yes")[1]
    assert project.objects() == before


def test_a_cache_that_others_may_use_is_left_alone_until_they_are_named(project, upkeep, tmp_path):
    shared = tmp_path / "shared"
    other = Project(tmp_path / "other")
    for one in (project, other):
        (one.root / ".dvc" / "config").write_text(f"[cache]\n    dir = {shared}\n")
    other.train(8)
    project.train(1)
    project.train(2)
    status, said = upkeep("--yes")
    assert status == 1
    assert "lies outside the project, where others may use it too. Name every project that does" in said
    assert "removed   DVC's cache: 4 files" in upkeep("--yes", "--project", str(other.root))[1]
    other.checkout("main")
    assert (other.model / "card.json").read_text() == "8"


def test_much_is_removed_in_portions_so_that_no_run_waits_long(project, upkeep, monkeypatch):
    from flows.upkeep import command

    monkeypatch.setattr(command, "AT_ONCE", 3)
    project.train(1)
    project.train(2)
    said = upkeep("--yes")[1]
    assert said.count("removed   DVC's cache: ") == 2
    assert upkeep("--yes") == (0, "Nothing to remove.\n")


def test_no_run_begins_while_the_cache_is_swept_and_none_is_swept_from_under_one(project, upkeep):
    project.train(1)
    project.train(2)
    before = project.objects()
    (project.root / ".filmgate").mkdir(exist_ok=True)
    with held_by_us(project.root / f"{SWEPT}.lock"):
        status, said = upkeep("--yes")
    assert status == 1
    assert "kept      DVC's cache: Another run has worked in" in said
    assert project.objects() == before


def test_what_git_cannot_tell_ends_in_a_sentence_and_removes_nothing(project, upkeep):
    project.train(1)
    project.train(2)
    before = project.objects()
    (project.root / ".git/refs/heads/broken").write_text("0123456789" * 4 + "\n")
    status, said = upkeep("--yes")
    assert status == 1
    assert "Mend this; until then nothing is removed." in said
    assert project.objects() == before
