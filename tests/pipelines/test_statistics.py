import numpy as np
import pytest
from PIL import Image

from pipelines.statistics import measure


def of(pixels, mode=None):
    picture = Image.fromarray(pixels)
    return measure(picture.convert(mode) if mode else picture)[0]


def test_mean_and_spread_are_those_of_the_pixels(rng):
    pixels = rng.integers(0, 256, (90, 70), dtype=np.uint8)
    found = of(pixels)
    assert found.mean == pytest.approx(pixels.mean())
    assert found.std == pytest.approx(pixels.std())


def test_both_ends_of_the_grey_scale_are_counted():
    pixels = np.full((10, 10), 100, dtype=np.uint8)
    pixels[:2], pixels[2:5] = 0, 255
    assert (of(pixels).dark, of(pixels).bright) == (0.2, 0.3)


def test_the_border_is_the_outermost_twentieth():
    pixels = np.full((100, 200), 50, dtype=np.uint8)
    pixels[5:-5, 10:-10] = 200
    assert of(pixels).border == 50
    pixels[:5] = 250
    assert of(pixels).border > 50


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "CMYK", "P"])
def test_a_grey_picture_in_a_colour_mode_has_no_colour(mode, rng):
    assert of(rng.integers(0, 256, (40, 40), dtype=np.uint8), mode).colour < 2


def test_colour_is_the_distance_of_the_channels():
    pixels = np.zeros((20, 20, 3), dtype=np.uint8)
    pixels[..., 0], pixels[..., 1] = 120, 100
    assert of(pixels).colour == 120


def test_a_large_picture_is_measured_as_a_small_one(rng):
    small = rng.integers(0, 256, (300, 260), dtype=np.uint8)
    large = small.repeat(4, axis=0).repeat(4, axis=1)
    first, second = of(small), of(large)
    assert first.thumbnail == second.thumbnail
    assert first.mean == pytest.approx(second.mean)


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (2, 3)])
def test_even_the_oddest_shape_is_measured(shape):
    found = of(np.full(shape, 77, dtype=np.uint8))
    assert found.mean == found.border == 77
    assert len(found.thumbnail) == 256
