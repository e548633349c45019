import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipelines.decision import familiarity
from pipelines.guard import BEYOND, strange
from pipelines.statistics import measure
from pipelines.usual import beyond_limits, limits_of, reference, statistics_of


def rows_of(pictures):
    return pd.DataFrame([vars(measure(Image.fromarray(picture))[0]) for picture in pictures])


@pytest.fixture
def grey(rng):
    return rows_of(rng.integers(40, 200, (20, 64, 64), dtype=np.uint8))


def test_no_training_image_lies_beyond_its_own_limits(grey):
    limits = limits_of(grey)
    assert not beyond_limits(limits, grey).any()
    for name in BEYOND:
        low, high = getattr(limits, name)
        assert low < grey[name].min() <= grey[name].max() < high


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (lambda picture: np.stack([picture, picture // 2, picture // 3], axis=2), "more colourful"),
        (lambda picture: np.full_like(picture, 120), "less contrast"),
        (lambda picture: picture // 8, "less contrast"),
        (lambda picture: 255 - picture // 4, "less contrast"),
        (lambda picture: np.where(picture > 150, np.uint8(255), picture), "has more contrast"),
    ],
)
def test_another_kind_of_picture_lies_beyond(grey, rng, changed, says):
    picture = changed(rng.integers(40, 200, (64, 64), dtype=np.uint8))
    assert says in strange(limits_of(grey), measure(Image.fromarray(picture))[0])


def test_colour_is_usual_where_training_was_in_colour(rng):
    coloured = rows_of(rng.integers(0, 256, (20, 32, 32, 3), dtype=np.uint8))
    assert not beyond_limits(limits_of(coloured), rows_of(rng.integers(0, 256, (5, 32, 32, 3), dtype=np.uint8))).any()


def test_rows_of_a_manifest_give_the_statistics_that_were_measured(grey, rng):
    picture = rng.integers(40, 200, (64, 64), dtype=np.uint8)
    assert statistics_of(rows_of([picture])) == [measure(Image.fromarray(picture))[0]]


def test_familiarity_refers_to_the_distances_of_validation():
    found = reference(np.array([3.0, 1.0, 2.0]), np.zeros(3, dtype=bool), refuse=0.1)
    assert (found.distances[0], found.distances[100], found.distances[-1]) == (1.0, 2.0, 3.0)
    assert found.refuse == pytest.approx(0.1)


@pytest.mark.parametrize("beyond", [0, 3, 10, 30, 400])
def test_limits_and_distance_together_refuse_the_share_that_the_recipe_allows(rng, beyond):
    distances, strangers = rng.gamma(3.0, size=400), np.arange(400) < beyond
    found = reference(distances, strangers, refuse=0.05)
    far = np.array([familiarity(float(one), found) <= found.refuse for one in distances])
    refused = (far | strangers).mean()
    assert refused == pytest.approx(max(0.05, beyond / 400), abs=0.01)
