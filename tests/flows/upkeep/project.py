"""A real git and DVC project to keep up."""

import shutil
import sys
from contextlib import chdir

from dvc.repo import Repo

from flows.upkeep.workspaces import lock_of
from pipelines.recipe_file import write_yaml
from tests.flows.projects import git

MAKE = """
import pathlib, sys
number, out = pathlib.Path("number.txt").read_text(), pathlib.Path("data/demo/model")
out.mkdir(parents=True)
(out / "model.onnx").write_text(number * 20000)
(out / "card.json").write_text(number)
"""


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
