from html.parser import HTMLParser

import pytest

from serving.page.panels import about_panel, answer_panel


@pytest.fixture
def panel(predicted, card):
    def make(probability=0.8125, with_card=card, **changes):
        return answer_panel(predicted(probability, **changes), with_card)

    return make


def text_of(html):
    """What a reader sees of some HTML."""
    found = []
    parser = HTMLParser()
    parser.handle_data = found.append
    parser.feed(html)
    return " ".join(" ".join(found).split())


def test_the_panel_says_decision_probability_threshold_familiarity_and_model(panel):
    said = text_of(panel())
    for part in ("Positive: PNEUMONIA", "0.812", "threshold 0.500", "refer band 0.400 to 0.600", "64%"):
        assert part in said
    assert "Answered by demo, version abc123def456" in said


def test_with_many_classes_every_class_has_its_bar(panel, card):
    said = text_of(panel(threshold=None, decision="PNEUMONIA", with_card={**card, "refer": None}))
    assert "PNEUMONIA 0.812 NORMAL 0.188" in said


def test_threshold_and_refer_band_stand_where_they_are(panel):
    drawn = panel(threshold=0.45)
    assert "left:45.00%" in drawn
    assert "left:40.00%;width:20.00%" in drawn
    assert "left:81.25%" in drawn


@pytest.mark.parametrize(("refer", "drawn"), [(None, False), ([None, 0.6], True), ([0.4, None], True)])
def test_a_refer_band_may_be_missing_or_open(panel, card, refer, drawn):
    assert ("refer band" in panel(with_card={**card, "refer": refer})) == drawn


def test_the_scale_is_a_picture_with_words(panel):
    assert 'role="img" aria-label="Probability of PNEUMONIA: 0.812 on a scale from 0 to 1. Threshold 0.500.' in panel()


def test_names_from_the_model_cannot_break_the_page(panel, card_that_says):
    assert "<b>" not in panel(label="<b>x</b>").split("<div")[0]
    assert "<script>" not in about_panel(card_that_says(about={"population": "<script>"}))


def test_the_model_says_for_whom_it_is_and_on_whom_it_was_tested(card):
    said = text_of(about_panel(card))
    assert "Tested on Films AUC Sensitivity" in said
    assert "Test films, put aside before training 412 of 220 patients 0.974 (0.957 to 0.987) 0.951" in said
    assert "Films of a second hospital 300 of 160 patients 0.912 (0.874 to 0.944) 0.883" in said
    assert "Intended use To show the chain. For nothing else." in said
    assert "Released 2026-11-20" in said
    assert "Funding" not in said


def test_a_card_of_before_says_that_it_does_not_say_how_the_model_was_tested(card):
    old = {name: card[name] for name in ("recipe", "title", "version", "sha256", "labels", "threshold", "refer")}
    said = text_of(about_panel(old))
    assert "does not say how it was tested" in said
    assert "Version abc123def456" in said
