import fcntl
import os
import shutil
import subprocess
import sys
import time
from contextlib import chdir
from pathlib import Path

import pytest
from dvc.repo import Repo

from flows.held import held_by_us
from flows.upkeep import objects
from flows.upkeep.bentos import wanted
from flows.upkeep.command import main
from flows.upkeep.workspaces import lock_of
from flows.workspace import SWEPT
from pipelines.recipe_file import write_yaml

pytestmark = [
    pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning"),  # DVC, when it builds its graph
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),  # of dulwich, which DVC reads git with
]
ROOT = Path(__file__).resolve().parents[2]
DAY = 86400
MAKE = """
import pathlib, sys
number, out = pathlib.Path("number.txt").read_text(), pathlib.Path("data/demo/model")
out.mkdir(parents=True)
(out / "model.onnx").write_text(number * 20000)
(out / "card.json").write_text(number)
"""


def git(folder, *arguments):
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


class Project:
    """A real git and DVC project with one stage, which makes a folder from a number."""

    def __init__(self, root):
        self.root = root
        root.mkdir()
        git(root, "init", "-q", "-b", "main")
        git(root, "config", "user.name", "a")
        git(root, "config", "user.email", "a@b.c")
        Repo.init(str(root)).close()
        (root / "make.py").write_text(MAKE)
        (root / ".gitignore").write_text(".filmgate/\n/data/?*\n!/data/*.dvc\n!/data/raw.dvc\n")
        stage = {"cmd": f"{sys.executable} make.py", "deps": ["number.txt"], "outs": ["data/demo/model"]}
        write_yaml({"stages": {"train": stage}}, root / "dvc.yaml")

    def repo(self):
        return Repo(str(self.root))

    @property
    def model(self):
        return self.root / "data" / "demo" / "model"

    def train(self, number):
        """Make the model of a number, and commit it."""
        (self.root / "number.txt").write_text(str(number))
        self.reproduce(self.root)
        self.commit(f"model {number}")

    def reproduce(self, folder):
        with chdir(folder), Repo(str(folder)) as repo:
            repo.reproduce()

    def commit(self, message):
        git(self.root, "add", "-A")
        git(self.root, "commit", "-qm", message)

    def add(self, content):
        """Keep a version of a raw data set, and commit it."""
        (self.root / "data" / "raw").mkdir(parents=True, exist_ok=True)
        (self.root / "data" / "raw" / "film.txt").write_text(content)
        with self.repo() as repo:
            repo.add(str(self.root / "data" / "raw"))
        self.commit(f"films {content}")

    def checkout(self, revision, *targets):
        """Go to a revision and take its files from the cache alone."""
        shutil.rmtree(self.root / "data", ignore_errors=True)
        git(self.root, "checkout", "-q", "-f", revision)
        with self.repo() as repo:
            repo.checkout([str(self.root / target) for target in targets] or None, force=True)

    def objects(self):
        return {path for path in (self.root / ".dvc/cache/files/md5").rglob("*") if path.is_file()}

    def workspace(self, name, number=None):
        """A workspace of a run, as they lie under .filmgate/runs: a clone with the project's cache."""
        folder = self.root / ".filmgate" / "runs" / name
        folder.parent.mkdir(parents=True, exist_ok=True)
        git(self.root, "clone", "-q", str(self.root), str(folder))
        (folder / ".dvc" / "config.local").write_text(f"[cache]\n    dir = {self.root}/.dvc/cache\n")
        lock_of(folder).touch()
        if number is not None:
            (folder / "number.txt").write_text(str(number))
            self.reproduce(folder)
        return folder


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "project")


@pytest.fixture
def upkeep(project, capsys, monkeypatch):
    """Run the command some days from now: its exit status and what it says."""

    monkeypatch.setattr(objects, "PATIENCE", 0.6)

    def run(*arguments, days=0):
        with pytest.raises(SystemExit) as ended:
            main(arguments, project.root, time.time() + days * DAY)
        return ended.value.code, capsys.readouterr().out

    return run


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


def version(project, number, model):
    """Register a model as version v1.<number>.0."""
    told = f"Model: {model}\nModel-SHA256: {model * 6:.64}\nBento: demo-{model}.bento\nBento-SHA256: {'0' * 64}"
    git(project.root, "tag", "-a", f"demo@v1.{number}.0", "-m", f"a release\n\n{told}\n")


def stage(project, number, version, name="production"):
    """Give version v1.<version>.0 a stage."""
    git(project.root, "tag", "-a", f"demo#{name}#{number}", "-m", f"a decision\n\nVersion: v1.{version}.0\n")


def releases(project, *models):
    """Releases as they are taken from the cache, and unpacked bentos."""
    for model in models:
        (project.root / f".filmgate/registry/demo/{model}").mkdir(parents=True)
        (project.root / f".filmgate/registry/demo/{model}/release.json").write_text("{}")
        (project.root / f".filmgate/bentoml/unpacked/filmgate-demo-{model}-0123abcd").mkdir(parents=True)


def left(project):
    return sorted(path.name for path in (project.root / ".filmgate/registry/demo").iterdir())


MODELS = [f"{number:x}" * 12 for number in range(10)]


def test_releases_long_out_of_production_go_and_the_others_stay(project, upkeep):
    project.train(1)
    for number, model in enumerate(MODELS[:9]):
        version(project, number, model)
    for number in range(6):
        stage(project, number + 1, number)
    stage(project, 7, 0, name="staging")
    releases(project, *MODELS)
    said = upkeep("--yes", "--promotions", "2", days=2)[1]
    assert left(project) == sorted([MODELS[5], MODELS[4], MODELS[3], MODELS[8]])  # production, two before, the newest
    unpacked = {path.name[14:26] for path in (project.root / ".filmgate/bentoml/unpacked").iterdir()}
    assert unpacked == set(left(project))
    assert said.count("removed   .filmgate/registry") == 6


def test_a_release_that_is_new_or_lies_in_the_working_copy_stays(project, upkeep):
    project.train(1)
    releases(project, *MODELS[:2])
    (project.root / "data/demo/release").mkdir()
    (project.root / "data/demo/release/release.json").write_text(f'{{"version": "{MODELS[0]}"}}')
    assert upkeep("--yes", days=0.5)[1] == "Nothing to remove.\n"
    upkeep("--yes", days=1.5)
    assert left(project) == [MODELS[0]]


def test_a_bento_from_which_a_process_serves_stays(project, upkeep):
    project.train(1)
    releases(project, *MODELS[:2])
    folder = project.root / f".filmgate/bentoml/unpacked/filmgate-demo-{MODELS[0]}-0123abcd"
    with subprocess.Popen([sys.executable, "-c", "input()", str(folder)], stdin=subprocess.PIPE) as server:
        upkeep("--yes", days=2)
        assert folder.exists()
        server.communicate(b"\n")
    assert not folder.with_name(f"filmgate-demo-{MODELS[1]}-0123abcd").exists()


def test_a_model_that_came_back_counts_as_often_as_it_was_promoted(project):
    project.train(1)
    for number in range(3):
        version(project, number, MODELS[number])
    for number, promoted in enumerate([0, 1, 0], start=1):
        stage(project, number, promoted)
    assert wanted(project.root, "demo", 1) == {MODELS[0], MODELS[1], MODELS[2]}
    assert wanted(project.root, "demo", 0) == {MODELS[0], MODELS[2]}


def test_the_tenth_promotion_is_newer_than_the_ninth(project):
    project.train(1)
    for number in range(11):
        version(project, number, f"{number:012x}")
    for number in range(10):
        stage(project, number + 1, number)
    assert wanted(project.root, "demo", 0) == {f"{9:012x}", f"{10:012x}"}


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
