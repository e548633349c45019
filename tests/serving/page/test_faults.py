import re

import pytest
from playwright.sync_api import expect

SOON = 20_000


def thumbnail(tab, number):
    return tab.get_by_role("button", name=re.compile(rf"^Film {number} of "))


def test_a_slow_service_is_named_and_the_film_can_be_asked_for_again(look, put, film, service):
    service.delay = 3.5
    tab = look()
    put(tab, {"one.png": film(1)})
    expect(tab.get_by_role("alert")).to_contain_text("did not answer within 2 seconds", timeout=SOON)
    expect(thumbnail(tab, 1)).to_contain_text("No answer")
    service.delay = 0.0
    tab.get_by_role("button", name="Ask again", exact=True).click()
    expect(tab.locator(".fg-answer")).to_contain_text("Positive", timeout=SOON)


@pytest.mark.slow
def test_a_busy_service_is_asked_again_when_it_wants(look, put, film, service, an_answer):
    busy = (503, {"error": "The service is busy."}, {"Retry-After": "2"})
    service.says = lambda data: busy if service.count("/predict") == 1 else an_answer()
    tab = look()
    put(tab, {"one.png": film(1)})
    word = tab.get_by_text("The service is busy. It is asked again in 2 s (attempt 2 of 4).")
    expect(word).to_be_visible(timeout=SOON)
    expect(tab.locator(".fg-answer")).to_contain_text("Positive", timeout=SOON)
    assert service.count("/predict") == 2


def test_a_newer_service_is_said_and_can_be_asked_about_earlier_films(look, put, film, service, an_answer, card):
    tab = look()
    put(tab, {"one.png": film(1)})
    expect(tab.locator(".fg-answer")).to_contain_text("version abc123def456", timeout=SOON)
    service.card = {**card, "version": "newer"}
    service.says = lambda data: an_answer(0.1, model={"recipe": "demo", "version": "newer", "sha256": "newer"})
    put(tab, {"two.png": film(2)})
    said = "The service now runs version newer; earlier answers on this page are of version abc123def456."
    expect(tab.get_by_text(said)).to_be_visible(timeout=SOON)
    expect(tab.locator(".fg-head")).to_contain_text("version newer")
    tab.get_by_role("button", name="Ask the new version about them").click()
    expect(tab.get_by_text(said)).to_have_count(0)
    expect(thumbnail(tab, 1)).to_contain_text("Negative", timeout=SOON)
    thumbnail(tab, 1).click()
    expect(tab.locator(".fg-answer")).to_contain_text("demo, version newer")
    assert service.count("/predict") == 3


@pytest.mark.slow
def test_the_key_of_the_page_is_sent_and_a_wrong_one_is_said(look, put, film, service):
    service.key = "a key"
    tab = look()
    put(tab, {"one.png": film(1)})
    expect(tab.locator(".fg-answer")).to_be_visible(timeout=SOON)
    service.key = "another key"
    put(tab, {"two.png": film(2)})
    alert = tab.get_by_role("alert")
    expect(alert).to_contain_text("The request has no valid API key. Set FILMGATE_API_KEY", timeout=SOON)
    expect(alert).to_contain_text("Request request-401")
    expect(tab.get_by_text("1 film waits for it.")).to_be_visible()
    service.key = None
    tab.get_by_role("button", name="Try again").click()
    expect(thumbnail(tab, 2)).to_contain_text("Positive", timeout=SOON)


@pytest.mark.slow
def test_a_service_that_fails_is_said_and_the_heatmap_may_be_missing(look, put, film, service):
    failing = (500, {"error": "The heatmap failed."}, {"X-Request-ID": "request-9"})
    service.explains = lambda data: failing
    tab = look()
    put(tab, {"one.png": film(1)})
    expect(tab.locator(".fg-answer")).to_contain_text("Positive", timeout=SOON)
    expect(tab.get_by_role("alert")).to_contain_text("The heatmap failed. Request request-9", use_inner_text=True)
    service.explains = lambda data: None
    tab.get_by_role("button", name="Ask again", exact=True).click()
    expect(tab.locator("img.heat")).to_be_visible(timeout=SOON)
    expect(tab.get_by_role("alert")).to_have_count(0)


@pytest.mark.slow
def test_a_service_that_is_away_is_waited_for(look, put, film, start_page, comes_and_goes):
    tab = look(start_page(comes_and_goes.address))
    notice = tab.get_by_role("note").filter(has_text="For research use only")
    expect(tab.get_by_role("alert")).to_contain_text("cannot be reached", timeout=SOON)
    expect(notice).to_be_in_viewport()
    comes_and_goes.start()
    expect(tab.get_by_role("heading", name="Pneumonia on phantom chest films")).to_be_visible(timeout=SOON)
    put(tab, {"one.png": film(1)})
    expect(tab.locator(".fg-answer")).to_be_visible(timeout=SOON)
    comes_and_goes.stop()
    put(tab, {"two.png": film(2)})
    expect(tab.get_by_role("alert")).to_contain_text("cannot be reached", timeout=SOON)
    expect(tab.get_by_text("1 film waits for it.")).to_be_visible()
    thumbnail(tab, 1).click()
    expect(tab.locator(".fg-answer")).to_contain_text("Positive")
    comes_and_goes.start()
    expect(thumbnail(tab, 2)).to_contain_text("Positive", timeout=SOON)
