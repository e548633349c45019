import pytest

from flows.doctor import checkout
from flows.doctor.finding import DoubtError, TroubleError
from pipelines.recipe_file import write_yaml
from tests.flows.projects import git

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # of dulwich, which DVC reads git with


def test_a_folder_without_git_and_one_without_a_commit_are_told_apart(house, tmp_path):
    assert "on main" in checkout.checkout(house)
    with pytest.raises(TroubleError, match="is no git checkout"):
        checkout.checkout(tmp_path)
    git(tmp_path, "init", "-q")
    with pytest.raises(TroubleError, match="There is no commit yet"):
        checkout.checkout(tmp_path)


def test_a_nameless_git_is_named(house, monkeypatch):
    git(house, "config", "--unset", "user.email")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    for name in ("GIT_COMMITTER_EMAIL", "GIT_AUTHOR_EMAIL", "EMAIL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(DoubtError, match="git does not know who you are"):
        checkout.committer(house)


def test_edits_that_scheduled_runs_do_not_see_are_named(house):
    assert checkout.edits(house).startswith("none")
    (house / "recipes/demo.yaml").write_text("title: other")
    (house / "new.txt").write_text("")
    with pytest.raises(DoubtError, match=r"Not committed: recipes/demo.yaml, new.txt"):
        checkout.edits(house)


def test_a_recipe_without_a_file_and_a_stage_that_is_missing_are_named(house):
    assert checkout.chain(house) == "1 recipes, 6 stages"
    write_yaml({"recipes": {"demo": "phantom", "ward": "ward"}}, house / "params.yaml")
    with pytest.raises(TroubleError, match="Recipe ward"):
        checkout.chain(house)
    write_yaml({"recipes": {"demo": "phantom"}}, house / "params.yaml")
    write_yaml({"stages": {"train": {"cmd": "true", "outs": ["x"]}}}, house / "dvc.yaml")
    with pytest.raises(TroubleError, match="has no package@demo"):
        checkout.chain(house)
