"""The sensor, looking at real projects; what it starts is tested in a house of its own (tests/chain)."""

import pytest

from flows.watch import watch
from tests.flows.projects import dvc, git, project_with_data


@pytest.fixture
def project(tmp_path, server, monkeypatch):
    root = project_with_data(tmp_path / "project")
    monkeypatch.setenv("FILMGATE_PROJECT", str(root))
    return root


def test_a_source_that_is_gone_is_told_and_hides_no_other(project, tmp_path):
    source = tmp_path / "hospital"
    source.write_text("one film")
    dvc(project, "import-url", str(source), "data/raw/inbox")
    git(project, "add", "-f", "data/raw/inbox.dvc")
    (project / "params.yaml").write_text("recipes:\n  away: inbox\n  demo: films\n")
    source.unlink()
    state = watch(minutes=0, return_state=True)
    assert state.is_failed()
    assert "inbox.dvc does not answer" in state.message
    assert state.message.endswith("Of the others: nothing new.")
    assert (project / ".filmgate/arrivals/demo.json").is_file()


def test_new_data_wait_for_a_deployment_that_is_not_there_yet(project, capsys):
    for _ in range(2):
        assert watch(minutes=0, return_state=True).message == "nothing new"
    (project / "data/raw/films/more").write_text("a film")
    for _ in range(3):
        assert watch(minutes=0, return_state=True).message == "nothing new"
    assert capsys.readouterr().out.count("There is no deployment retrain/retrain") == 2


def test_an_unknown_recipe_is_named(project):
    state = watch(recipes=["dmeo"], return_state=True)
    assert state.message == "params.yaml has no recipe 'dmeo', only demo."
