import pytest

from serving.client import AskError
from serving.page.films import MOST, Tray


@pytest.fixture
def tray():
    made = Tray(card={"version": "abc123def456"})
    made.add([("a.png", b"a"), ("b.png", b"b"), ("c.png", b"c")])
    return made


def names(tray):
    return [film.name for film in tray.films.values()]


def test_the_first_new_film_is_looked_at(tray):
    assert tray.film.name == "a.png"
    tray.add([("d.png", b"d"), ("e.png", b"e")])
    assert tray.film.name == "d.png"


def test_the_same_film_lies_there_once(tray, predicted):
    tray.film.hear(predicted())
    tray.film.finish()
    tray.add([("again.png", b"a")])
    assert names(tray) == ["a.png", "b.png", "c.png"]
    assert tray.film.state == "answered"


def test_films_without_room_are_left_out_and_counted(tray):
    tray.add((f"{number}.png", bytes([number])) for number in range(40))
    assert len(tray.films) == MOST == 30
    assert tray.left_out == 13
    tray.add([("a.png", b"a")])
    assert tray.left_out == 0


def test_the_film_that_is_looked_at_is_read_before_the_others(tray):
    tray.choose(list(tray.films)[2])
    assert tray.next().name == "c.png"
    tray.next().begin()
    assert (tray.reading.name, tray.next().name) == ("c.png", "a.png")


def test_where_a_film_is_removed_its_neighbour_is_looked_at(tray):
    tray.choose(list(tray.films)[2])
    tray.remove(tray.chosen)
    assert tray.film.name == "b.png"
    tray.remove(next(iter(tray.films)))
    assert tray.film.name == "b.png"
    tray.remove(tray.chosen)
    assert (tray.film, names(tray)) == (None, [])


def test_answers_of_another_version_are_told_apart(tray, predicted):
    tray.film.hear(predicted())
    tray.film.finish()
    assert tray.earlier == []
    tray.card = {"version": "new"}
    assert [film.name for film in tray.earlier] == ["a.png"]
    tray.film.wait()
    assert tray.earlier == []


def test_the_stamp_changes_with_what_is_shown(tray, predicted):
    stamps = [tray.stamp()]
    tray.film.begin()
    stamps.append(tray.stamp())
    tray.film.hear(predicted())
    tray.film.finish()
    stamps.append(tray.stamp())
    tray.trouble = AskError("Gone.", "away")
    stamps.append(tray.stamp())
    assert len(set(stamps)) == 4
    assert tray.stamp() == stamps[-1]


def test_a_film_does_not_show_its_file_where_it_is_printed(tray):
    assert "data" not in repr(tray.film)
