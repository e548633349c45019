"""Looking out for what is to be served."""

import threading
from pathlib import Path

import pytest

from pipelines.errors import ReleaseError
from serving import scout
from serving.child import Target
from serving.scout import News, Scout

FIRST = Target("demo v1.0.0", "aa", Path("first.bento"))
SECOND = Target("demo v1.1.0", "bb", Path("second.bento"))


@pytest.fixture
def hasty(monkeypatch):
    """A scout that does not pause between looks."""
    monkeypatch.setattr(scout, "POLL", 0.001)


@pytest.fixture
def looked(hasty):
    """Lets a scout look at each thing of a list in turn, and then on at the last; the news, when it saw enough."""

    def run(things, folder_of=lambda target, over: Path(target.sha256), looks=20):
        left, seen, enough = list(things), [], threading.Event()

        def wanted():
            seen.append(None)
            if len(seen) > looks:
                enough.set()
            thing = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(thing, Exception):
                raise thing
            return thing

        one = Scout(wanted, folder_of)
        one.start()
        assert enough.wait(30)
        one.end()
        assert not one.is_alive()
        news = []
        while (told := one.news()) is not None:
            news.append(told)
        return news

    return run


def test_what_is_wanted_is_told_once_with_its_folder(looked):
    assert looked([FIRST]) == [News(FIRST, Path("aa"))]


def test_each_change_is_told_and_the_way_back_too(looked):
    assert [news.target for news in looked([FIRST, FIRST, SECOND, FIRST])] == [FIRST, SECOND, FIRST]


def test_the_same_bento_under_another_name_is_no_news(looked):
    assert len(looked([FIRST, Target("demo v9.0.0", "aa", Path("elsewhere.bento"))])) == 1


def test_when_nothing_is_wanted_there_is_nothing_to_tell(looked):
    assert looked([None]) == []


def test_what_cannot_be_had_is_told_once(looked):
    def gone(target, over):
        raise ReleaseError("The remote is gone.")

    assert looked([SECOND], gone) == [News(SECOND, fault="The remote is gone.")]


def test_tags_that_cannot_be_read_are_told_once_and_are_no_end(looked):
    unreadable = ReleaseError("git cannot read the tags.")
    assert looked([unreadable, unreadable, FIRST]) == [
        News(None, fault="git cannot read the tags."),
        News(FIRST, Path("aa")),
    ]


def test_a_fault_that_nobody_thought_of_is_no_end_either(looked):
    first, second = looked([ZeroDivisionError("by zero"), FIRST])
    assert "by zero" in first.fault
    assert second.target == FIRST


def test_what_did_not_work_is_tried_again_after_a_while(looked, monkeypatch):
    monkeypatch.setattr(scout, "PATIENCE", 0.0)
    assert len(looked([SECOND])) > 1


def test_told_to_end_it_gives_up_what_it_fetches(hasty):
    fetching = threading.Event()

    def slow(target, over):
        fetching.set()
        assert over.wait(30)
        raise ReleaseError("given up")

    one = Scout(lambda: FIRST, slow)
    one.start()
    assert fetching.wait(30)
    one.end()
    assert not one.is_alive()
