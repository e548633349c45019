import base64
import io
import time

import pytest
from PIL import Image

from serving.client import AskError, Explained, Window
from serving.page.films import Film, Tray
from serving.page.pictures import address, blended, pictures_of
from serving.page.reading import Reader, draw_again, keep_card, patiently, read


class Asked:
    """A client that says what a test tells it to."""

    def __init__(self, prediction, png):
        self.prediction, self.png, self.windows, self.card_is = prediction, png, [], {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def predict(self, film):
        return given(self.prediction)

    def explain(self, film, opacity, size, window):
        self.windows.append(window)
        return Explained(given(self.png), Window(*(window or (40, 400)), 0, 4095))

    def card(self):
        return given(self.card_is)


def given(value):
    if isinstance(value, Exception):
        raise value
    return value


@pytest.fixture
def asked(predicted, film):
    return Asked(predicted(), film())


@pytest.fixture
def one():
    return Film("key", "a.png", b"film")


def test_a_film_gets_its_answer_and_its_pictures(asked, one):
    one.begin()
    read(asked, one, Tray())
    assert (one.state, one.answer.probability, one.fault) == ("answered", 0.8125, None)
    assert one.pictures.film.startswith("data:image/jpeg;base64,")
    assert one.pictures.window == Window(40, 400, 0, 4095)


def test_an_answer_stands_even_where_no_picture_can_be_drawn(asked, one):
    asked.png = AskError("The heatmap failed.", "broken")
    read(asked, one, Tray())
    assert (one.state, one.pictures, str(one.fault)) == ("answered", None, "The heatmap failed.")


def test_where_the_service_goes_away_before_it_drew_the_film_waits_on(asked, one):
    asked.png = AskError("Gone.", "away")
    tray = Tray()
    read(asked, one, tray)
    assert (one.state, one.answer, str(tray.trouble)) == ("waiting", None, "Gone.")


def test_a_bad_film_keeps_its_sentence(asked, one):
    asked.prediction = AskError("It is no picture.", "film")
    tray = Tray()
    read(asked, one, tray)
    assert (one.state, str(one.fault), tray.trouble) == ("failed", "It is no picture.", None)


def test_where_the_service_is_away_the_film_waits_on(asked, one):
    asked.prediction = AskError("Gone.", "away")
    tray = Tray()
    read(asked, one, tray)
    assert (one.state, str(tray.trouble)) == ("waiting", "Gone.")


def test_an_answer_of_another_version_has_the_card_read_anew(asked, one, card):
    asked.card_is = {**card, "version": "abc123def456"}
    tray = Tray(card={**card, "version": "old"})
    read(asked, one, tray)
    assert tray.card["version"] == "abc123def456"


def test_another_window_is_drawn_and_nothing_is_asked_about_the_probability(asked, one):
    read(asked, one, Tray())
    asked.prediction = AskError("It must not be asked.", "broken")
    one.wish = (100.0, 50.0)
    assert one.to_be_drawn
    draw_again(asked, one, Tray())
    assert not one.to_be_drawn
    assert one.pictures.window == Window(100.0, 50.0, 0, 4095)
    assert asked.windows[-2:] == [(100.0, 50.0)] * 2


def test_a_window_that_cannot_be_drawn_leaves_the_pictures(asked, one):
    read(asked, one, Tray())
    one.wish, asked.png = (100.0, 50.0), AskError("The window is empty.", "film")
    draw_again(asked, one, Tray())
    assert (one.wish, one.pictures.window.center, str(one.fault)) == (None, 40, "The window is empty.")


def test_a_busy_service_is_asked_again_when_it_wants(one):
    answers = [AskError("Busy.", "busy", wait=3.0), AskError("Busy.", "busy", wait=99.0), "the answer"]
    slept, words = [], []

    def sleep(seconds):
        slept.append(seconds)
        words.append(one.word)

    assert patiently(lambda: given(answers.pop(0)), one, sleep) == "the answer"
    assert slept == [3.0, 15.0]
    assert words[0] == "The service is busy. It is asked again in 3 s (attempt 2 of 4)."
    assert one.word == ""


def test_a_service_that_stays_busy_is_given_up(one):
    slept = []
    with pytest.raises(AskError, match="Busy"):
        patiently(lambda: given(AskError("Busy.", "busy", wait=1.0)), one, slept.append)
    assert slept == [1.0, 1.0, 1.0]


def test_a_card_is_believed_for_a_while(asked, card):
    tray = Tray(card={**card, "version": "old"}, card_at=time.monotonic())
    asked.card_is = card
    keep_card(asked, tray)
    assert tray.card["version"] == "old"
    keep_card(asked, tray, fresh=0.0)
    assert tray.card["version"] == "abc123def456"


def test_a_busy_service_keeps_its_card_and_one_that_is_away_is_named(asked, card):
    tray = Tray(card=card)
    asked.card_is = AskError("Busy.", "busy")
    keep_card(asked, tray, fresh=0.0)
    assert (tray.card, tray.trouble) == (card, None)
    asked.card_is = AskError("Gone.", "away")
    keep_card(asked, tray, fresh=0.0)
    assert (tray.card, str(tray.trouble)) == (card, "Gone.")


def test_what_is_no_card_is_named(asked):
    tray = Tray()
    asked.card_is = {"title": "x"}
    keep_card(asked, tray)
    assert tray.trouble.kind == "strange"


def test_a_reader_reads_one_film_after_another(asked):
    tray = Tray()
    tray.add([("a.png", b"a"), ("b.png", b"b")])
    reader = Reader(tray, lambda: asked)
    until = time.monotonic() + 10
    while reader.at_work and time.monotonic() < until:
        reader.go_on()
        time.sleep(0.01)
    assert [film.state for film in tray.films.values()] == ["answered", "answered"]


def test_a_film_that_was_left_is_said_to_be_unfinished():
    tray = Tray()
    tray.add([("a.png", b"a")])
    tray.film.begin()
    Reader(tray, lambda: None).go_on()
    assert (tray.film.state, tray.film.fault.kind) == ("failed", "broken")


def test_pictures_are_no_larger_than_the_page_shows_them(asked, film):
    asked.png = film(0, (2400, 1200))
    seen = pictures_of(asked, b"film", None)
    assert size(seen.film) == (1600, 800)
    assert size(seen.thumb) == (176, 88)


def test_what_is_no_picture_is_named():
    with pytest.raises(AskError, match="no picture"):
        address(b"<html>")


def test_film_and_heatmap_are_blended():
    black, white = (address(flat(grey)) for grey in (0, 255))
    with opened(blended(black, white, 0.6)) as picture:
        assert picture.getpixel((5, 5))[0] == pytest.approx(153, abs=2)


def flat(grey):
    file = io.BytesIO()
    Image.new("L", (10, 10), grey).save(file, "PNG")
    return file.getvalue()


def opened(held):
    return Image.open(io.BytesIO(base64.b64decode(held.partition(",")[2])))


def size(held):
    with opened(held) as picture:
        return picture.size
