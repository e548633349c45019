"""A small project to look at."""

import shutil

import pytest
from dvc.repo import Repo

from pipelines.recipe_file import write_yaml
from tests.flows.projects import ROOT, git


@pytest.fixture
def house(tmp_path):
    """A project with the recipe demo, committed; DVC knows it."""
    root = tmp_path / "house"
    (root / "recipes").mkdir(parents=True)
    git(root, "init", "-q", "-b", "main")
    git(root, "config", "user.name", "Ada")
    git(root, "config", "user.email", "ada@example.org")
    Repo.init(str(root)).close()
    for name in ("dvc.yaml", "pyproject.toml", "requirements.lock", "recipes/demo.yaml"):
        shutil.copy(ROOT / name, root / name)
    write_yaml({"recipes": {"demo": "phantom"}}, root / "params.yaml")
    (root / ".gitignore").write_text(".filmgate/\n/data/\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "a house")
    return root
