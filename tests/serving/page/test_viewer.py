import io
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

SOON = 15_000
DICOM = b"\0" * 128 + b"DICM"


@pytest.fixture
def viewed(look, put, film):
    """A page that shows a film large: `viewed(b"DICM", width=390)`."""

    def make(data=None, **options):
        tab = look(**options)
        put(tab, {"film": data or film(1)})
        expect(tab.locator("img.heat")).to_be_visible(timeout=SOON)
        return tab

    return make


def view(tab):
    """How large both panes are shown, and where: (scale, right, down), the same for both."""
    found = tab.locator(".move").evaluate_all("layers => layers.map((one) => one.style.transform)")
    assert found[0] == found[1]
    right, down, scale = map(float, re.fullmatch(r"translate\((.+)%, (.+)%\) scale\((.+)\)", found[0]).groups())
    return scale, right, down


def middle(tab):
    box = tab.locator(".pane").first.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_keys_zoom_and_move_both_panes(viewed):
    tab = viewed()
    assert view(tab) == (1, 0, 0)
    panes = tab.locator(".panes")
    panes.focus()
    assert panes.evaluate("made => getComputedStyle(made).outlineStyle") == "solid"
    for key in ("+", "+", "+"):
        tab.keyboard.press(key)
    scale, right, down = view(tab)
    assert scale == pytest.approx(1.953, abs=0.001)
    assert right == down == pytest.approx(-47.66, abs=0.01)
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("ArrowDown")
    assert view(tab)[1:] == (pytest.approx(right - 10), pytest.approx(down - 10))
    tab.keyboard.press("-")
    assert view(tab)[0] == pytest.approx(1.5625)
    tab.keyboard.press("0")
    assert view(tab) == (1, 0, 0)


@pytest.mark.slow
def test_buttons_zoom_and_say_how_far(viewed):
    tab = viewed()
    expect(tab.get_by_role("button", name="Zoom out")).to_be_disabled()
    tab.get_by_role("button", name="Zoom in").click()
    expect(tab.locator("output.scale")).to_have_text("125 %")
    tab.get_by_role("button", name="Fit", exact=True).click()
    expect(tab.locator("output.scale")).to_have_text("100 %")


@pytest.mark.slow
def test_the_film_never_leaves_its_pane(viewed):
    tab = viewed()
    tab.locator(".panes").focus()
    for key in ["+"] + ["ArrowLeft"] * 9 + ["ArrowUp"] * 9:
        tab.keyboard.press(key)
    assert view(tab) == (1.25, 0, 0)
    for _ in range(20):
        tab.keyboard.press("+")
    assert view(tab)[0] == 12


def test_the_wheel_zooms_where_the_pointer_is_and_the_mouse_drags(viewed):
    tab = viewed()
    x, y = middle(tab)
    tab.mouse.move(x, y)
    tab.mouse.wheel(0, -400)
    expect(tab.locator("output.scale")).to_have_text("223 %")
    scale, right, down = view(tab)
    assert (right, down) == (pytest.approx(-61.3, abs=0.5), pytest.approx(-61.3, abs=0.5))
    tab.mouse.down()
    tab.mouse.move(x + 50, y)
    tab.mouse.up()
    assert view(tab)[0] == scale
    assert view(tab)[1] > right + 5
    assert view(tab)[2] == pytest.approx(down)


@pytest.mark.slow
def test_the_wheel_scrolls_the_page_where_there_is_nothing_to_zoom_out(viewed):
    tab = viewed(height=500)
    expect(tab.locator(".fg-answer")).to_be_visible()
    before = tab.locator(".fg-head").bounding_box()["y"]
    tab.locator(".pane").first.hover()
    tab.mouse.wheel(0, 200)
    tab.wait_for_timeout(400)
    assert tab.locator(".fg-head").bounding_box()["y"] < before
    assert view(tab) == (1, 0, 0)


def test_two_fingers_zoom(viewed):
    tab = viewed(width=390, height=1400, has_touch=True, is_mobile=True)
    x, y = middle(tab)
    fingers = tab.context.new_cdp_session(tab)

    def touch(kind, spread):
        points = [{"x": x - spread, "y": y, "id": 0}, {"x": x + spread, "y": y, "id": 1}] if spread else []
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 30)
    for spread in (40, 50, 60):
        touch("touchMove", spread)
    touch("touchEnd", 0)
    assert view(tab)[0] == pytest.approx(2, abs=0.1)


@pytest.mark.slow
def test_the_heatmap_fades_as_the_slider_moves(viewed):
    tab = viewed()
    heat = tab.locator("img.heat")
    assert float(heat.evaluate("picture => getComputedStyle(picture).opacity")) == pytest.approx(0.6)
    tab.get_by_role("slider", name="Opacity of the heatmap, in percent").fill("20")
    assert float(heat.evaluate("picture => getComputedStyle(picture).opacity")) == pytest.approx(0.2)
    expect(tab.locator("output.opaque")).to_have_text("20 %")


@pytest.mark.slow
def test_zoom_stays_with_a_film_and_ends_with_it(viewed, put, film):
    tab = viewed()
    tab.get_by_role("button", name="Zoom in").click()
    put(tab, {"one again": film(1)})
    expect(tab.locator(".st-key-intake2")).to_be_visible(timeout=SOON)  # the page has taken it: its field is a new one
    tab.wait_for_timeout(500)
    assert view(tab)[0] == 1.25
    put(tab, {"another": film(2)})
    expect(tab.locator("output.scale")).to_have_text("100 %", timeout=SOON)


def test_a_window_changes_what_is_seen_and_asks_nothing_about_the_probability(viewed, service):
    tab = viewed(DICOM)
    center, width = (tab.get_by_role("slider", name=f"Window {name}") for name in ("centre", "width"))
    expect(center).to_have_value("2000")
    expect(width).to_have_value("3000")
    expect(tab.get_by_text("Windowing changes what you see, never the probability")).to_be_visible()
    before = tab.locator("img.film").first.get_attribute("src")
    center.fill("1000")
    expect(tab.locator("img.film").first).not_to_have_attribute("src", before, timeout=SOON)
    expect(center).to_have_value("1000")
    asked = [fields for path, fields in service.asked if path == "/explain" and "window_center" in fields]
    assert [(one["window_center"], one["window_width"]) for one in asked[1:]] == [("1000.0", "3000.0")] * 2
    tab.get_by_role("button", name="Reset", exact=True).click()
    expect(center).to_have_value("2000", timeout=SOON)
    expect(tab.locator("img.film").first).to_have_attribute("src", before)
    assert service.count("/predict") == 1


@pytest.mark.slow
def test_a_film_without_a_window_has_no_sliders_for_it(viewed):
    expect(viewed().locator("fieldset.window")).to_be_hidden()


@pytest.mark.slow
def test_full_screen_keeps_the_notice(viewed):
    tab = viewed(DICOM)
    tab.get_by_role("button", name="Full screen").click()
    expect(tab.locator(".viewer .notice")).to_contain_text("For research use only")
    expect(tab.locator(".viewer .notice")).to_be_in_viewport(ratio=1)
    expect(tab.get_by_role("button", name="Reset", exact=True)).to_be_in_viewport(ratio=1)
    expect(tab.get_by_role("button", name="Full screen")).to_have_attribute("aria-pressed", "true")


@pytest.mark.slow
@pytest.mark.parametrize("inverted", [False, True])
def test_while_a_slider_moves_the_browser_guesses_what_the_service_will_draw(viewed, inverted, service):
    tab = viewed(DICOM + b"MONOCHROME1" if inverted else DICOM)
    film, center = tab.locator("img.film").first, tab.get_by_role("slider", name="Window centre")
    place = {"x": 70, "y": 60, "width": 4, "height": 4}
    before = shade(film, place)
    center.evaluate("slider => { slider.value = 1400; slider.dispatchEvent(new Event('input')); }")
    expect(tab.locator("img.heat")).to_be_hidden()
    guessed = shade(film, place)
    assert guessed < before - 20 if inverted else guessed > before + 20
    source = film.get_attribute("src")
    center.evaluate("slider => slider.dispatchEvent(new Event('change'))")
    expect(film).not_to_have_attribute("src", source, timeout=SOON)
    expect(tab.locator("img.heat")).to_be_visible()
    assert shade(film, place) == pytest.approx(guessed, abs=4)


def shade(film, place):
    """Mean grey of a small part of a picture as it is seen."""
    with Image.open(io.BytesIO(film.screenshot())) as seen:
        left, top = place["x"], place["y"]
        return np.asarray(seen.convert("L").crop((left, top, left + place["width"], top + place["height"]))).mean()
