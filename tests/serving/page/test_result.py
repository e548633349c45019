import re
from datetime import UTC, datetime

import pytest

from serving.client import Window
from serving.page.films import Film, Pictures
from serving.page.pictures import address
from serving.page.result import file_name, sheet


@pytest.fixture
def answered(predicted, film):
    """A film that was answered: `answered(0.2, size=(300, 900), window=None)`."""

    def make(probability=0.8125, size=(300, 240), window=None, label=None, **changes):
        made = Film("key", "SMITH^JOHN.dcm", film(), label)
        made.hear(predicted(probability, **changes))
        made.finish()
        held = address(film(0, size))
        made.pictures = Pictures(held, held, held, window)
        made.at = datetime(2026, 11, 7, 19, 5, 3, tzinfo=UTC)
        return made

    return make


def test_the_sheet_says_what_was_answered_by_which_model_and_when(answered, card):
    html = sheet(answered(), card, UTC)
    for part in (
        "Positive: PNEUMONIA",
        "0.812",
        "threshold 0.500, refer band 0.400 to 0.600",
        "demo, version abc123def456",
        "abc123def456" + "0" * 52,
        "7 November 2026, 19:05 (UTC)",
        "For research use only.",
    ):
        assert part in html


def test_the_sheet_knows_no_file_name_and_needs_nothing_else(answered, card):
    html = sheet(answered(), card, UTC)
    assert "SMITH" not in html
    assert not re.search(r'(src|href)="(?!data:)', html)
    assert file_name(answered()) == "filmgate-result-20261107-190503.html"


def test_a_window_is_named_as_something_that_is_only_seen(answered, card):
    html = sheet(answered(window=Window(2000.0, 3000.0, 0.0, 4095.0)), card, UTC)
    assert "centre 2000, width 3000; it changes what is seen, not the probability" in html


def test_a_sheet_without_pictures_has_the_answer_still(answered, card):
    film = answered()
    film.pictures = None
    html = sheet(film, card, UTC)
    assert "Positive: PNEUMONIA" in html
    assert "<img" not in html


def test_flags_of_another_model_are_not_said_of_this_one(answered, card_that_says):
    flagged = card_that_says(flags=["It guesses."])
    assert "It guesses." in sheet(answered(), flagged, UTC)
    assert "It guesses." not in sheet(answered(), {**flagged, "version": "new"}, UTC)


def test_a_film_without_an_answer_has_no_sheet(card):
    with pytest.raises(ValueError, match="not answered"):
        sheet(Film("key", "a.png", b""), card, UTC)


LONG = "At the second hospital the model is not proven to be better than chance: AUC 0.541 (0.470 to 0.610). " * 2
CLASSES = {f"a class with a rather long name, number {number}": 0.05 for number in range(20)}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"size": (300, 1200)},
        {"size": (1200, 300)},
        {"decision": "refused", "reason": LONG, "familiarity": 0.0, "window": Window(2e3, 3e3, 0, 4095)},
        {"threshold": None, "decision": next(iter(CLASSES)), "probabilities": CLASSES, "label": "NORMAL"},
    ],
)
def test_the_sheet_prints_on_one_page(browser, answered, card_that_says, changes):
    flagged = {**card_that_says(flags=[LONG] * 5), "title": "Pneumonia on phantom chest films, " * 4}
    context = browser.new_context()
    tab = context.new_page()
    tab.set_content(sheet(answered(**changes), flagged, UTC))
    tab.emulate_media(media="print")
    assert tab.evaluate("document.querySelector('main').scrollHeight <= document.querySelector('main').clientHeight")
    pdf = tab.pdf(prefer_css_page_size=True, print_background=True)
    context.close()
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1
    assert re.search(rb"/MediaBox \[0 0 59[45](\.\d+)? 84[12](\.\d+)?\]", pdf)


def test_the_sheet_can_be_read_on_a_phone(browser, answered, card):
    context = browser.new_context(viewport={"width": 390, "height": 800})
    tab = context.new_page()
    tab.set_content(sheet(answered(), card, UTC))
    assert tab.evaluate("document.documentElement.scrollWidth") == 390
    context.close()
