import numpy as np
import pytest
from PIL import Image

from pipelines.images import prepare
from pipelines.recipe import ImageParams
from serving.overlay import overlay, palette, seen_parts, spread

FITS = ["pad", "stretch", "crop"]
FILMS = [(300, 200), (200, 300), (120, 120), (97, 411)]


def centre(picture):
    """Mean place of what is bright, in pixels, (x, y)."""
    levels = np.asarray(picture, dtype=float)
    rows, columns = np.indices(levels.shape)
    return (columns * levels).sum() / levels.sum(), (rows * levels).sum() / levels.sum()


@pytest.mark.parametrize("film", FILMS)
@pytest.mark.parametrize("fit", FITS)
def test_heat_falls_on_the_place_of_the_film_that_caused_it(fit, film):
    image = ImageParams(levels="stored", height=64, width=64, channels=1, fit=fit)
    x, y = film[0] * 0.55, film[1] * 0.45
    spot = np.zeros((film[1], film[0]), dtype=np.uint8)
    spot[int(y - 6) : int(y + 6), int(x - 6) : int(x + 6)] = 255
    frame = prepare(Image.fromarray(spot), image)[:, :, 0] / 255
    heat = frame.reshape(16, 4, 16, 4).mean(axis=(1, 3))
    found = centre(spread(heat / heat.max(), film, image))
    cell = max(film) / 16
    assert found == pytest.approx((x, y), abs=cell / 4)


@pytest.mark.parametrize("film", FILMS)
@pytest.mark.parametrize("fit", FITS)
def test_heat_everywhere_covers_what_the_model_saw_and_nothing_else(fit, film):
    image = ImageParams(levels="stored", height=48, width=32, channels=1, fit=fit)
    drawn = np.asarray(spread(np.ones((6, 4)), film, image))
    left, top, right, bottom = (round(edge) for edge in seen_parts(film, image)[1])
    assert drawn.shape == (film[1], film[0])
    assert (drawn[top:bottom, left:right] == 255).all()
    assert drawn.sum() == 255 * (right - left) * (bottom - top)


def test_only_a_cropped_film_has_parts_that_the_model_never_saw():
    whole = (0, 0, 300, 200)
    seen = {
        fit: seen_parts((300, 200), ImageParams(levels="stored", height=50, width=50, channels=1, fit=fit))[1]
        for fit in FITS
    }
    assert seen == {"pad": whole, "stretch": whole, "crop": (50, 0, 250, 200)}


def test_a_film_as_thin_as_a_line_is_drawn_all_the_same():
    image = ImageParams(levels="stored", height=32, width=32, channels=1, fit="pad")
    assert spread(np.ones((4, 4)), (5000, 3), image).size == (5000, 3)


def test_without_heat_or_opacity_the_film_stays_as_it_is(rng):
    film = Image.fromarray(rng.integers(0, 256, (40, 50, 3), dtype=np.uint8))
    cold, hot = Image.new("L", film.size, 0), Image.new("L", film.size, 255)
    assert np.array_equal(overlay(film, cold, 1.0), film)
    assert np.array_equal(overlay(film, hot, 0.0), film)
    assert np.array_equal(np.asarray(overlay(film, hot, 1.0))[3, 4], palette()[255])


def test_more_heat_is_brighter_so_that_it_is_read_without_colour():
    lightness = palette().astype(float) @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(lightness) > -0.5).all()
    assert lightness[255] - lightness[0] > 150
