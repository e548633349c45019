"""How the page looks, and whether everybody can use it: light and dark, wide and narrow, by the rules of axe."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

SOON = 15_000
BAD = (422, {"error": "The upload is no picture that can be read."}, {"X-Request-ID": "request-7"})
OF_STREAMLIT = "stFileUploaderDropzone"  # a field that can be focused though it says that it is decoration
AS_WIDE = "[document.documentElement.scrollWidth, innerWidth]"
GREY = """found => { const [r, g, b] = getComputedStyle(found).backgroundColor.match(/[\\d.]+/g).map(Number);
    return (r + g + b) / 3; }"""


@pytest.fixture
def filled(look, put, film, service, an_answer, as_example, card_that_says):
    """A page with a film of each kind, of which one is shown: `filled("window", width=390)`."""
    kinds = {"answer": film(1), "window": b"\0" * 128 + b"DICM", "fault": b"text", "classes": film(2)}

    def make(kind, **options):
        ten = {f"class {number}": 0.1 for number in range(10)}
        many = an_answer(threshold=None, decision="class 3", probabilities=ten)
        service.says = lambda data: {b"text": BAD, film(2): many}.get(data, an_answer())
        service.examples = [as_example("A phantom", 5, "NORMAL")]
        service.card = card_that_says(flags=["At the second hospital it is no better than chance."])
        tab = look(**options)
        if kind in kinds:
            others = {name: data for name, data in kinds.items() if name != kind}
            put(tab, {kind: kinds[kind], **others})
            expect(tab.get_by_text("All 4 films read")).to_be_visible(timeout=SOON)
            expect(tab.locator(".fg-progress")).to_have_count(0, timeout=SOON)  # it fades while the page is redrawn
        if kind == "about":
            tab.get_by_text("About this model").click()
            expect(tab.get_by_text("How it was tested")).to_be_visible()
        return tab

    return make


@pytest.mark.parametrize("scheme", [pytest.param("light", marks=pytest.mark.slow), "dark"])
def test_no_panel_stays_light_in_the_dark(filled, scheme):
    tab = filled("window", scheme=scheme)
    panels = (".stApp", ".fg-answer", ".fg-flag", "[data-testid=stFileUploaderDropzone]", "button.failed", "button.in")
    for panel in panels:
        grey = tab.locator(panel).first.evaluate(GREY)
        assert (grey > 200) if scheme == "light" else (grey < 70), panel
    for words in ("h1", ".fg-answer h2", ".fg-facts dd", "figcaption"):
        ink = GREY.replace("backgroundColor", "color")
        assert (tab.locator(words).first.evaluate(ink) > 130) == (scheme == "dark"), words


OTHERS = [pytest.param(kind, marks=pytest.mark.slow) for kind in ("empty", "answer", "fault", "classes", "about")]


@pytest.mark.parametrize("kind", ["window", *OTHERS])
def test_nothing_scrolls_sideways_on_a_phone(filled, kind):
    tab = filled(kind, width=390, height=844)
    wide, screen = tab.evaluate(AS_WIDE)
    assert wide == screen == 390
    block = tab.get_by_test_id("stMainBlockContainer").evaluate("one => [one.scrollWidth, one.clientWidth]")
    assert block[0] <= block[1]


@pytest.mark.parametrize(
    ("kind", "scheme"),
    [
        ("window", "light"),
        *(
            pytest.param(kind, scheme, marks=pytest.mark.slow)
            for kind in ("empty", "answer", "fault", "classes", "about")
            for scheme in ("light", "dark")
        ),
        pytest.param("window", "dark", marks=pytest.mark.slow),
    ],
)
def test_axe_finds_nothing(filled, kind, scheme):
    found = Axe().run(filled(kind, scheme=scheme)).response["violations"]
    places = [(one["id"], node["html"]) for one in found for node in one["nodes"] if OF_STREAMLIT not in node["html"]]
    assert places == []


@pytest.mark.slow
def test_buttons_are_large_enough_for_fingers(filled):
    tab = filled("answer", width=390, height=844)
    for name in ("Zoom in", "Fit", "Remove this film", "Download the result"):
        box = tab.get_by_role("button", name=name, exact=True).bounding_box()
        assert min(box["width"], box["height"]) >= 36, name
