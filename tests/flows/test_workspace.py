import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from flows.workspace import CHECKPOINT, Order, held, prepare
from pipelines.errors import ChainError, RecipeError
from pipelines.recipe_file import read_yaml
from pipelines.training.checkpoint import FILE
from tests.flows.projects import ROOT, dvc, git, project_with_data


@pytest.fixture
def project(tmp_path):
    return project_with_data(tmp_path / "project")


def test_the_same_overrides_get_the_same_folder_in_any_order(tmp_path):
    first = Order("demo", ["a.b=1", "c.d=2"]).folder(tmp_path)
    assert first == Order("demo", ["c.d=2", "a.b=1"]).folder(tmp_path)
    assert first != Order("demo", ["a.b=1"]).folder(tmp_path)
    assert first != Order("demo").folder(tmp_path)


@pytest.mark.parametrize(
    ("order", "sentence"),
    [
        (Order("demo", ["train.epohcs=1"]), "recipes/demo.yaml with --set: train.epohcs is not a key"),
        (Order("dmeo", ["train.epochs=1"]), r"no recipes/dmeo\.yaml.* Known recipes: demo"),
    ],
)
def test_a_bad_override_makes_no_folder(project, order, sentence):
    with pytest.raises(RecipeError, match=sentence):
        prepare(project, order)
    assert not (project / ".filmgate").exists()


def test_a_folder_without_git_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(ChainError, match="is no git checkout"):
        prepare(tmp_path, Order("demo", ["train.epochs=1"]))
    assert subprocess.run(["git", "status"], cwd=tmp_path, capture_output=True, check=False).returncode


def test_a_revision_that_is_not_there_is_named(project):
    with pytest.raises(ChainError, match="has no revision 'mian'"):
        prepare(project, Order("demo", revision="mian"))


def test_a_workspace_holds_what_is_committed_and_its_data_and_nothing_of_it_comes_back(project):
    recipe = project / "recipes" / "demo.yaml"
    committed = recipe.read_text()
    recipe.write_text("no recipe at all")
    (project / "stray.py").write_text("")
    folder = prepare(project, Order("demo", ["train.epochs=3"]))
    assert read_yaml(folder / "recipes" / "demo.yaml")["train"]["epochs"] == 3
    assert not (folder / "stray.py").exists()
    assert (folder / "data/raw/films/films").read_text() == "three films"
    assert recipe.read_text() == "no recipe at all"
    changed = git(folder, "diff", "--unified=0").splitlines()
    assert [
        line[1:].split("#")[0].strip() for line in changed if line[:1] in "+-" and line[:3] not in ("+++", "---")
    ] == [
        "epochs: 22",
        "epochs: 3",
    ]
    assert committed.count("#") == (folder / "recipes" / "demo.yaml").read_text().count("#")


def test_the_place_of_a_training_is_the_one_that_the_stage_keeps_it_at():
    command = read_yaml(ROOT / "dvc.yaml")["stages"]["train"]["do"]["cmd"]
    cache = command.partition("--cache ")[2].split()[0]
    assert cache.replace("${key}", "{recipe}") + f"/training/{FILE}" == CHECKPOINT


def test_a_new_workspace_begins_with_the_newest_training_of_its_recipe_and_an_old_one_keeps_its_own(project):
    place = ".filmgate/cache/demo/training/checkpoint.npz"
    before = prepare(project, Order("demo"))
    assert not (before / place).exists()
    for number, folder in enumerate((project, before)):
        (folder / place).parent.mkdir(parents=True)
        (folder / place).write_text(f"training {number}")
        os.utime(folder / place, (number, number))
    after = prepare(project, Order("demo", ["train.epochs=3"]))
    assert [file.name for file in (after / place).parent.iterdir()] == ["checkpoint.npz"]
    assert (after / place).read_text() == "training 1"
    (after / place).write_text("its own")
    assert prepare(project, Order("demo", ["train.epochs=3"])) == after
    assert (after / place).read_text() == "its own"


def test_an_earlier_revision_is_run_as_it_was_with_the_data_of_then(project):
    first = git(project, "rev-parse", "HEAD")
    (project / "data/raw/films/films").unlink()
    (project / "data/raw/films/films").write_text("four films")
    dvc(project, "add", "data/raw/films")
    git(project, "commit", "-qam", "four films")
    assert (prepare(project, Order("demo")) / "data/raw/films/films").read_text() == "four films"
    assert (prepare(project, Order("demo", revision=first)) / "data/raw/films/films").read_text() == "three films"


def test_new_data_are_taken_as_they_lie_and_leave_the_project_as_it_is(project):
    pointer = (project / "data/raw/films.dvc").read_text()
    (project / "data/raw/films/more").write_text("five films")
    assert not (prepare(project, Order("demo")) / "data/raw/films/more").exists()
    folder = prepare(project, Order("demo", new_data=True))
    assert (folder / "data/raw/films/more").read_text() == "five films"
    assert (folder / "data/raw/films.dvc").read_text() != pointer == (project / "data/raw/films.dvc").read_text()
    assert git(project, "status", "--porcelain") == ""


def test_imported_data_are_brought_up_to_date_from_where_they_came(tmp_path):
    project = project_with_data(tmp_path / "project")
    source = tmp_path / "hospital"
    source.mkdir()
    (source / "films").write_text("one film")
    git(project, "rm", "-q", "--cached", "data/raw/films.dvc")
    (project / "data/raw/films.dvc").unlink()
    (project / "data/raw/films/films").unlink()
    (project / "data/raw/films").rmdir()
    dvc(project, "import-url", str(source), "data/raw/films")
    git(project, "add", "-f", "data/raw/films.dvc")
    git(project, "commit", "-qm", "imported")
    (source / "films").write_text("two films")
    assert (prepare(project, Order("demo")) / "data/raw/films/films").read_text() == "one film"
    assert (prepare(project, Order("demo", new_data=True)) / "data/raw/films/films").read_text() == "two films"


def test_data_that_are_in_the_remote_alone_are_fetched(tmp_path):
    project = project_with_data(tmp_path / "project")
    dvc(project, "remote", "add", "--local", "-d", "store", str(tmp_path / "store"))
    dvc(project, "push")
    for path in sorted((project / ".dvc/cache").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert (prepare(project, Order("demo")) / "data/raw/films/films").read_text() == "three films"


def test_a_remote_that_is_gone_is_one_sentence(tmp_path):
    project = project_with_data(tmp_path / "project")
    dvc(project, "remote", "add", "--local", "-d", "store", str(tmp_path / "gone"))
    for path in sorted((project / ".dvc/cache").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    with pytest.raises(ChainError, match=r"The remote does not give .*films\.dvc"):
        prepare(project, Order("demo"))


def test_locks_of_a_git_that_was_killed_are_no_hindrance(project):
    folder = prepare(project, Order("demo"))
    (folder / ".git" / "index.lock").touch()
    assert prepare(project, Order("demo")) == folder
    assert not list((folder / ".git").rglob("*.lock"))


def test_a_second_run_waits_until_the_first_has_ended(tmp_path):
    folder, order, held_now = tmp_path / "demo", [], threading.Event()

    def first():
        with held(folder, 0):
            held_now.set()
            threading.Event().wait(0.6)
            order.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    held_now.wait()
    with pytest.raises(ChainError, match="Another run has worked in"), held(folder, 0.1):
        order.append("too early")
    with held(folder, 30):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]


def test_the_lock_of_a_run_that_was_killed_is_free(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from flows.workspace import held\n"
        "with held(Path(sys.argv[1]), 0): os.kill(os.getpid(), 9)"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "demo")], cwd=root, check=False)
    assert done.returncode == -9
    with held(tmp_path / "demo", 0):
        pass
