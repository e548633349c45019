from playwright.sync_api import expect

SOON = 15_000


def test_films_go_in_and_each_gets_its_answer(look, put, film, service, an_answer):
    service.says = lambda data: an_answer(0.8125 if data == film(1) else 0.1)
    tab = look()
    put(tab, {"one.png": film(1), "two.png": film(2)})
    expect(tab.locator(".fg-answer")).to_contain_text("Positive: PNEUMONIA", timeout=SOON)
    tab.screenshot(path="/tmp/shot1.png", full_page=True)
    tab.get_by_role("button", name="Film 2 of 2").click()
    expect(tab.locator(".fg-answer")).to_contain_text("Negative: NORMAL", timeout=SOON)
    assert service.count("/predict") == 2
    tab.screenshot(path="/tmp/shot2.png", full_page=True)
