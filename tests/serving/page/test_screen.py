import re

import pytest
from playwright.sync_api import expect

SOON = 15_000
BAD = (422, {"error": "The upload is no picture that can be read. Expected a JPEG."}, {"X-Request-ID": "request-7"})


@pytest.fixture
def answered(look, put, film):
    """A page on which one film was answered."""

    def make(files=None, **options):
        tab = look(**options)
        put(tab, files or {"one.png": film(1)})
        expect(tab.locator(".fg-answer")).to_be_visible(timeout=SOON)
        return tab

    return make


def thumbnail(tab, number):
    return tab.get_by_role("button", name=re.compile(rf"^Film {number} of "))


def test_films_go_in_and_each_gets_its_answer(look, put, film, service, an_answer):
    service.says = lambda data: an_answer(0.8125 if data == film(1) else 0.1)
    tab = look()
    put(tab, {"one.png": film(1), "two.png": film(2)})
    expect(tab.locator(".fg-answer")).to_contain_text("Positive: PNEUMONIA", timeout=SOON)
    expect(tab.locator(".fg-answer")).to_contain_text("Answered by demo, version abc123def456", use_inner_text=True)
    expect(tab.get_by_text("All 2 films read")).to_be_visible(timeout=SOON)
    thumbnail(tab, 2).click()
    expect(tab.locator(".fg-answer")).to_contain_text("Negative: NORMAL")
    expect(thumbnail(tab, 2)).to_have_attribute("aria-current", "true")
    put(tab, {"the same under another name.png": film(1)})
    expect(tab.locator(".fg-answer")).to_contain_text("Positive: PNEUMONIA")
    assert service.count("/predict") == 2
    tab.get_by_role("button", name="Remove this film").click()
    expect(tab.get_by_text("1 film read", exact=True)).to_be_visible()
    tab.get_by_role("button", name="Remove all").click()
    expect(tab.locator(".fg-answer")).to_have_count(0)


def test_one_bad_film_spoils_only_its_own_entry(look, put, film, service, an_answer):
    service.says = lambda data: BAD if data == b"text" else an_answer()
    tab = look()
    put(tab, {"bad.txt": b"text", "good.png": film(1)})
    fault = tab.get_by_role("alert")
    expect(fault).to_contain_text("The upload is no picture that can be read. Expected a JPEG.", timeout=SOON)
    expect(fault).to_contain_text("Request request-7")
    expect(tab.get_by_role("heading", name="No answer on film 1, bad.txt")).to_be_visible()
    expect(tab.get_by_role("button", name="Ask again", exact=True)).to_have_count(0)
    expect(thumbnail(tab, 2)).to_contain_text("Positive", timeout=SOON)


@pytest.mark.slow
def test_each_film_shows_how_far_it_is_while_others_are_read(look, put, film, service):
    service.delay = 1.2
    tab = look()
    put(tab, {f"{number}.png": film(number) for number in (1, 2, 3)})
    expect(thumbnail(tab, 1)).to_contain_text("Being read", timeout=SOON)
    expect(thumbnail(tab, 3)).to_contain_text("Waiting")
    expect(tab.get_by_text("Film 1 of 3 is being read: 1.png.")).to_be_visible()
    expect(tab.locator(".fg-answer")).to_be_visible(timeout=SOON)
    expect(thumbnail(tab, 3)).to_contain_text("Waiting")
    expect(tab.get_by_role("progressbar", name="Films read")).to_have_attribute("value", "1")


def test_films_are_chosen_with_the_keyboard(answered, film, service, an_answer):
    service.says = lambda data: an_answer(0.8125 if data == film(1) else 0.1)
    tab = answered({"one.png": film(1), "two.png": film(2)})
    expect(tab.get_by_text("All 2 films read")).to_be_visible(timeout=SOON)
    thumbnail(tab, 1).focus()
    tab.keyboard.press("ArrowRight")
    expect(thumbnail(tab, 2)).to_be_focused()
    assert thumbnail(tab, 2).evaluate("made => getComputedStyle(made).outlineStyle") == "solid"
    tab.keyboard.press("Enter")
    expect(tab.locator(".fg-answer")).to_contain_text("Negative: NORMAL")
    expect(thumbnail(tab, 2)).to_be_focused()
    expect(
        tab.get_by_role("status").filter(has_text="Film 2 of 2. Negative: NORMAL. Probability 0.100.")
    ).to_have_count(1)


@pytest.mark.slow
def test_a_refusal_says_why_and_many_classes_have_a_bar_each(answered, film, service, an_answer):
    refused = an_answer(0.9, decision="refused", reason="The picture has colours.")
    ten = {str(number): 0.1 for number in range(10)}
    service.says = lambda data: (
        refused if data == film(1) else an_answer(threshold=None, decision="3", probabilities=ten)
    )
    tab = answered({"one.png": film(1), "two.png": film(2)})
    expect(tab.locator(".fg-answer")).to_contain_text("The picture has colours. The probability below means nothing.")
    thumbnail(tab, 2).click()
    expect(tab.locator(".fg-rows dt")).to_have_count(10)


@pytest.mark.slow
def test_examples_are_there_to_be_clicked(look, service, as_example):
    service.examples = [as_example("A phantom", 5, "NORMAL")]
    tab = look()
    tab.get_by_role("button", name="Try the example A phantom, whose label is NORMAL").click()
    expect(tab.locator(".fg-answer")).to_contain_text("Positive: PNEUMONIA", timeout=SOON)
    expect(tab.locator(".fg-facts")).to_contain_text("Label of this exampleNORMAL")


@pytest.mark.slow
def test_a_service_without_examples_shows_none(look):
    expect(look().get_by_text("example")).to_have_count(0)


@pytest.mark.slow
def test_the_model_says_on_whom_it_was_tested_and_what_must_be_known(look, service, card_that_says):
    service.card = card_that_says(flags=["At the second hospital it is no better than chance."])
    tab = look()
    expect(tab.get_by_role("note").filter(has_text="no better than chance")).to_be_visible()
    tab.get_by_text("About this model, and on whom it was tested").click()
    expect(tab.get_by_role("row", name="Films of a second hospital")).to_contain_text("0.912 (0.874 to 0.944)")


def test_the_result_is_a_file_without_the_name_of_the_film(answered, film, tmp_path):
    tab = answered({"SMITH-JOHN.png": film(1)})
    with tab.expect_download() as loading:
        tab.get_by_role("button", name="Download the result").click()
    assert re.fullmatch(r"filmgate-result-\d{8}-\d{6}\.html", loading.value.suggested_filename)
    loading.value.save_as(tmp_path / "result.html")
    html = (tmp_path / "result.html").read_text()
    assert "Positive: PNEUMONIA" in html
    assert "SMITH" not in html


def test_the_notice_is_always_in_sight(answered):
    tab = answered(height=500)
    notice = tab.get_by_role("note").filter(has_text="For research use only")
    expect(notice).to_be_in_viewport(ratio=1)
    tab.locator(".fg-facts").scroll_into_view_if_needed()
    tab.mouse.wheel(0, 3000)
    expect(notice).to_be_in_viewport(ratio=1)
    expect(tab.get_by_text("A film is sent to the service and kept nowhere.")).to_have_count(1)


@pytest.mark.slow
def test_headings_are_in_order(answered):
    levels = answered().locator("h1, h2, h3").evaluate_all("found => found.map((one) => one.tagName)")
    assert levels[0] == "H1"
    assert levels.count("H1") == 1
    assert "H3" not in levels[: levels.index("H2")]
