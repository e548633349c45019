import shutil
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from serving.app import answer_panel, decision_in_words, familiarity_in_words, probability_bar, shown
from serving.client import Prediction

CARD = {"labels": {"positive": "PNEUMONIA"}, "refer": [0.4, 0.6]}
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
QUIET += ["--disable-component-update", "--disable-sync"]


def predicted(**changes):
    values = {
        "label": "PNEUMONIA",
        "probability": 0.8125,
        "probabilities": {"NORMAL": 0.1875, "PNEUMONIA": 0.8125},
        "threshold": 0.5,
        "decision": "positive",
        "familiarity": 0.64,
        "model": {"recipe": "demo", "version": "abc123", "sha256": "abc123"},
        "notice": "For research use only.",
    }
    return Prediction(**{**values, **changes})


def text_of(html):
    """What a reader sees of some HTML."""
    found = []
    parser = HTMLParser()
    parser.handle_data = found.append
    parser.feed(html)
    return " ".join(found)


def test_the_panel_says_decision_probability_threshold_familiarity_and_model():
    said = text_of(answer_panel(predicted(), CARD))
    for part in ("Positive: PNEUMONIA", "0.812", "threshold 0.500", "refer band", "64%", "demo, version abc123"):
        assert part in said


@pytest.mark.parametrize("decision", ["positive", "negative", "refer", "refused"])
def test_every_decision_has_words_of_its_own(decision):
    title, words = decision_in_words(predicted(decision=decision))
    assert title.lower().startswith(decision)
    assert words.endswith(".")


def test_with_many_classes_every_class_has_its_bar():
    said = text_of(answer_panel(predicted(threshold=None, decision="PNEUMONIA"), {**CARD, "refer": None}))
    assert "PNEUMONIA 0.812 NORMAL 0.188" in " ".join(said.split())


def test_threshold_and_refer_band_stand_where_they_are():
    drawn = probability_bar(predicted(threshold=0.45), CARD)
    assert "left:45.00%" in drawn
    assert "left:40.00%;width:20.00%" in drawn
    assert "left:81.25%" in drawn


@pytest.mark.parametrize(("refer", "drawn"), [(None, False), ([None, 0.6], True), ([0.4, None], True)])
def test_a_refer_band_may_be_missing_or_open(refer, drawn):
    assert ("refer band" in probability_bar(predicted(), {**CARD, "refer": refer})) == drawn


def test_names_from_the_model_cannot_break_the_page():
    assert "<b>" not in answer_panel(predicted(label="<b>x</b>"), CARD)


def test_a_probability_never_claims_certainty():
    assert [shown(value) for value in (0.0, 0.25, 1.0)] == ["< 0.001", "0.250", "> 0.999"]


@pytest.mark.parametrize(
    ("share", "word"), [(0.6, "usual"), (0.1, "somewhat unusual"), (0.004, "very unusual"), (0, "very unusual")]
)
def test_familiarity_is_said_in_words(share, word):
    assert familiarity_in_words(share).startswith(f"A {word} film")


@pytest.fixture(scope="module")
def browser():
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("there is no Chromium on this machine")
    with sync_playwright() as player:
        started = player.chromium.launch(executable_path=program, args=QUIET)
        yield started
        started.close()


@pytest.fixture
def page(browser, processes):
    """Opens the web page as a customer of a service: `page("http://127.0.0.1:3000")`."""
    port = processes.free_port()
    command = [sys.executable, "-m", "streamlit", "run", "serving/app.py", "--server.port", str(port)]
    running = []

    def open_page(service):
        process = processes.running(command, FILMGATE_SERVICE=service)
        running.append(process)
        processes.seconds_until(f"http://127.0.0.1:{port}/_stcore/health", process.__enter__())
        tab = browser.new_page()
        tab.goto(f"http://127.0.0.1:{port}")
        return tab

    yield open_page
    for process in running:
        process.__exit__(None, None, None)


def test_a_film_goes_in_and_its_answer_comes_out(page, served, tmp_path, rng):
    Image.fromarray(rng.integers(150, 256, (90, 120), dtype=np.uint8)).save(tmp_path / "film.png")
    (tmp_path / "text.png").write_text("a text file")
    tab = page(served.url)
    tab.set_input_files("input[type=file]", tmp_path / "film.png")
    answer = tab.locator(".fg-answer")
    expect(answer).to_contain_text("Positive: PNEUMONIA", timeout=20_000)
    expect(answer).to_contain_text("probability of PNEUMONIA")
    heat = tab.locator("img.heat")
    expect(heat).to_be_visible()
    assert heat.evaluate("picture => picture.naturalWidth / picture.naturalHeight") == pytest.approx(4 / 3)
    tab.locator("input[type=range]").fill("20")
    assert float(heat.evaluate("picture => getComputedStyle(picture).opacity")) == pytest.approx(0.2)
    expect(tab.locator(".fg-notice")).to_be_in_viewport()

    tab.set_input_files("input[type=file]", tmp_path / "text.png")
    expect(tab.get_by_role("alert")).to_contain_text("no picture that can be read", timeout=20_000)
    expect(answer).to_have_count(0)


def test_a_service_that_is_down_is_said_in_words(page, processes):
    tab = page(f"http://127.0.0.1:{processes.free_port()}")
    expect(tab.get_by_role("alert")).to_contain_text("cannot be reached", timeout=20_000)
    expect(tab.locator(".fg-notice")).to_be_in_viewport()
