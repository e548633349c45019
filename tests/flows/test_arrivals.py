from datetime import UTC, datetime, timedelta

import pytest

from flows.arrivals import Seen, look, noted, write
from flows.watch import step
from pipelines.errors import RemoteError
from tests.flows.projects import dvc, git, project_with_data

NOON, REST = datetime(2026, 1, 1, 12, tzinfo=UTC), timedelta(minutes=15)


def course(*looks):
    """What a sensor does that sees these, each (minutes after noon, look): the minutes at which it trains."""
    seen, due = None, []
    for minutes, found in looks:
        seen, now = step(seen, found, NOON + timedelta(minutes=minutes), REST)
        due += [minutes] * now
    return due


def test_the_first_look_trains_nothing():
    assert course((0, "a"), (60, "a"), (600, "a")) == []


def test_data_that_came_and_came_to_rest_are_trained_on_once():
    assert course((0, "a"), (10, "b"), (20, "b"), (30, "b"), (40, "b"), (900, "b")) == [30]


def test_data_that_go_on_coming_are_waited_for():
    assert course((0, "a"), (10, "b"), (20, "c"), (30, "d"), (44, "d"), (45, "d")) == [45]


def test_data_that_went_back_to_what_was_trained_on_train_nothing():
    assert course((0, "a"), (10, "b"), (20, "a"), (60, "a")) == []


def test_a_clock_that_was_set_back_begins_the_rest_anew_and_loses_nothing():
    assert course((0, "a"), (100, "b"), (10, "b"), (20, "b"), (25, "b"), (30, "b")) == [25]


def test_what_was_noted_is_read_again_and_what_cannot_be_read_is_as_if_never_noted(tmp_path):
    file = tmp_path / "noted" / "demo.json"
    assert noted(file) is None
    write(file, Seen("a", NOON, "b"))
    assert noted(file) == Seen("a", NOON, "b")
    for damaged in ("{", "[]", '{"found": 1}'):
        file.write_text(damaged)
        assert noted(file) is None


@pytest.fixture
def project(tmp_path):
    return project_with_data(tmp_path / "project")


def test_a_file_more_less_or_changed_is_another_look(project):
    data, folder = "data/raw/films", project / "data/raw/films"
    first = look(project, project / data)
    assert first == look(project, project / data)
    (folder / "ward").mkdir()
    (folder / "ward" / "more").write_text("a film")
    second = look(project, project / data)
    (folder / "ward" / "more").write_text("another")
    third = look(project, project / data)
    (folder / "ward" / "more").unlink()
    assert len({first, second, third}) == 3
    assert look(project, project / data) == first


def test_data_that_dvc_does_not_keep_are_not_looked_at(project):
    (project / "data/raw/other").mkdir()
    (project / "data/raw/other/film").write_text("")
    assert look(project, project / "data/raw/other") is None


def test_imported_data_are_asked_of_their_source(tmp_path, project):
    source = tmp_path / "hospital"
    source.write_text("one film")
    dvc(project, "import-url", str(source), "data/raw/inbox")
    git(project, "add", "-f", "data/raw/inbox.dvc")
    first = look(project, project / "data/raw/inbox")
    assert first == look(project, project / "data/raw/inbox")
    source.write_text("two films")
    assert look(project, project / "data/raw/inbox") != first
    source.unlink()
    with pytest.raises(RemoteError, match=r"The source of .*inbox\.dvc does not answer"):
        look(project, project / "data/raw/inbox")
