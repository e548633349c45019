from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from serving.client import AskError
from serving.page.films import Film, Tray
from serving.page.words import (
    badge,
    decision_in_words,
    familiarity_in_words,
    fault_in_words,
    figure,
    flags,
    moment,
    progress,
    scale_in_words,
    sentence,
    shown,
)


@pytest.mark.parametrize("decision", ["positive", "negative", "refer", "refused"])
def test_every_decision_has_words_of_its_own(predicted, decision):
    title, words = decision_in_words(predicted(decision=decision))
    assert title.lower().startswith(decision)
    assert words.endswith(".")


def test_a_refusal_says_why(predicted):
    _, words = decision_in_words(predicted(decision="refused", reason="The picture has colours."))
    assert words == "The picture has colours. The probability below means nothing."
    _, words = decision_in_words(predicted(decision="refused"))
    assert words.startswith("It is unlike the films that the model was trained on.")


def test_a_probability_never_claims_certainty():
    assert [shown(value) for value in (0.0, 0.25, 1.0)] == ["< 0.001", "0.250", "> 0.999"]


@pytest.mark.parametrize(
    ("share", "word"), [(0.6, "usual"), (0.1, "somewhat unusual"), (0.004, "very unusual"), (0, "very unusual")]
)
def test_familiarity_is_said_in_words(share, word):
    assert familiarity_in_words(share).startswith(f"A {word} film")


@pytest.mark.parametrize(("refer", "said"), [(None, False), ([None, 0.6], True), ([0.4, None], True)])
def test_a_refer_band_may_be_missing_or_open(predicted, card, refer, said):
    assert ("Refer band" in scale_in_words(predicted(), {**card, "refer": refer})) == said


def test_the_scale_is_said_in_a_sentence(predicted, card):
    assert scale_in_words(predicted(0.25), card) == (
        "Probability of PNEUMONIA: 0.250 on a scale from 0 to 1. Threshold 0.500. Refer band 0.400 to 0.600."
    )


def test_a_film_says_how_far_it_is(predicted):
    film = Film("key", "a.png", b"")
    assert (badge(film), sentence(film)) == ("Waiting", "Waiting.")
    film.begin()
    assert badge(film) == "Being read"
    film.hear(predicted(0.25))
    film.finish()
    assert (badge(film), sentence(film)) == ("Negative", "Negative: NORMAL. Probability 0.250.")
    film.fail(AskError("It is no picture.", "film"))
    assert (badge(film), sentence(film)) == ("No answer", "It is no picture.")


def test_with_many_classes_the_badge_is_the_class(predicted):
    film = Film("key", "a.png", b"")
    film.hear(predicted(decision="seven", label="seven", threshold=None))
    film.finish()
    assert badge(film) == "seven"


def test_progress_names_the_film_and_how_long_it_was_waited_for():
    tray = Tray()
    tray.add([("a.png", b"a"), ("b.png", b"b")])
    assert progress(tray, 0.0) == ""
    film = list(tray.films.values())[1]
    film.begin()
    assert progress(tray, film.began + 1) == "Film 2 of 2 is being read: b.png."
    film.word = "The service is busy."
    said = "Film 2 of 2 is being read: b.png. It has been waited for 7 seconds. The service is busy."
    assert progress(tray, film.began + 7.9) == said


def test_a_missing_key_is_said_with_what_to_do():
    said = fault_in_words(AskError("The request has no valid API key.", "key"))
    assert "Set FILMGATE_API_KEY where this page is started" in said


def test_a_figure_has_its_interval_where_it_is_known():
    assert figure({"auc": 0.97, "auc_low": 0.95, "auc_high": 0.98}, "auc") == "0.970 (0.950 to 0.980)"
    assert figure({"auc": 0.97}, "auc") == "0.970"
    assert figure({}, "auc") == "–"


def test_flags_of_the_card_are_said_as_they_are(card, card_that_says):
    assert flags(card_that_says(flags=["A gate was loosened."])) == ["A gate was loosened."]
    assert flags(card) == []


def test_a_model_that_guesses_at_the_second_hospital_is_flagged_where_the_card_does_not_say_so(card_that_says):
    tested = {"external": {"auc": 0.55, "auc_low": 0.49, "auc_high": 0.61}}
    said = "Not proven to be better than chance at the second hospital: AUC 0.550 (0.490 to 0.610)."
    assert flags(card_that_says(tested=tested)) == [said]
    known = "On external the model is not proven to be better than chance."
    assert flags(card_that_says(tested=tested, flags=[known])) == [known]


def test_a_card_of_before_says_nothing_of_tests():
    assert flags({"title": "x"}) == []


def test_a_moment_is_written_in_the_time_zone_of_the_user():
    at = datetime(2026, 11, 7, 19, 5, tzinfo=UTC)
    assert moment(at, ZoneInfo("Europe/Berlin")) == "7 November 2026, 20:05 (CET)"
