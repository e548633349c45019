import subprocess

import pytest

from flows.workspace import folder_of, workspace
from pipelines.errors import ChainError, RecipeError


def test_the_same_overrides_get_the_same_folder_in_any_order(tmp_path):
    first = folder_of(tmp_path, "demo", ["a.b=1", "c.d=2"])
    assert first == folder_of(tmp_path, "demo", ["c.d=2", "a.b=1"])
    assert first != folder_of(tmp_path, "demo", ["a.b=1"])


def test_a_bad_override_makes_no_folder(tmp_path):
    (tmp_path / "recipes").mkdir()
    with pytest.raises(RecipeError, match=r"no .*demo\.yaml"):
        workspace(tmp_path, "demo", ["train.epochs=1"])
    assert not (tmp_path / ".filmgate").exists()


def test_a_folder_without_git_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setattr("flows.workspace.override", lambda path, assignments: {})
    with pytest.raises(ChainError, match="is no git checkout"):
        workspace(tmp_path, "demo", ["train.epochs=1"])
    assert subprocess.run(["git", "status"], cwd=tmp_path, capture_output=True, check=False).returncode
