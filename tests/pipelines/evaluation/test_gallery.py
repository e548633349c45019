import numpy as np
import pytest

from pipelines.evaluation.gallery import PER_GROUP, choose, font, gallery, sheet, shorten
from pipelines.overlay import overlay


@pytest.fixture
def shown(measured, labels, rng):
    """A card, its table of 60 films, and the tiles of their gallery."""
    card, tables, _ = measured(labels, test=np.arange(60) % 2)
    films = rng.integers(0, 256, (60, 16, 16, 1), dtype=np.uint8)
    return card, tables["test"], gallery(tables["test"], films, rng.random((60, 4, 4)), card)


def test_every_film_is_in_the_one_group_where_it_belongs(shown):
    card, table, _ = shown
    groups = choose(table, card)
    assert sorted(row for rows in groups.values() for row in rows) == list(range(60))
    missed = table.iloc[groups["False negatives"]]
    assert (missed["label"] == "PNEUMONIA").all()
    assert (missed["probability"] < card.threshold).all()
    alarms = table.iloc[groups["False positives"]]
    assert (alarms["label"] == "NORMAL").all()
    assert (alarms["probability"] >= card.threshold).all()


def test_the_most_confident_errors_come_first(shown):
    card, table, tiles = shown
    groups = choose(table, card)
    assert table["probability"].iloc[groups["False negatives"]].is_monotonic_increasing
    assert table["probability"].iloc[groups["False positives"]].is_monotonic_decreasing
    first = table.iloc[groups["False positives"][0]]
    assert tiles["False positives"][0].image_id == first["image_id"]
    assert f"probability {first['probability']:.3f}" in tiles["False positives"][0].caption


def test_the_sheet_has_a_row_for_each_group_even_an_empty_one(shown):
    tiles = dict(shown[2])
    assert sheet({"test": tiles}).size == sheet({"test": tiles | {"False negatives": []}}).size
    assert all(len(members) <= PER_GROUP for members in tiles.values())
    assert sheet({"test": tiles, "external": tiles}).height > 1.9 * sheet({"test": tiles}).height


@pytest.mark.parametrize("width", [30, 120, 331])
def test_a_long_name_is_cut_in_the_middle_until_it_fits(width):
    letters, name = font(11), "guangzhou/train/PNEUMONIA/person1000_bacteria_2931-a-rather-long-name.jpeg"
    short = shorten(name, letters, width)
    assert letters.getlength(short) <= width
    head, tail = short.split("…")
    assert name.startswith(head)
    assert name.endswith(tail)


def test_a_name_that_fits_is_left_alone():
    assert shorten("film.png", font(11), 200) == "film.png"


def test_heat_lies_where_the_model_saw_it_and_nowhere_else():
    heat = np.zeros((4, 4))
    heat[0, 3] = 2.0
    film = np.full((64, 64, 1), 90, dtype=np.uint8)
    drawn = overlay(film, heat, full=1.0)
    assert np.abs(drawn[32:, :32].astype(int) - 90).max() <= 5  # the faint ringing of the interpolation
    assert drawn[8, 56, 0] > 150


def test_weak_heat_is_not_blown_up_to_full_strength():
    film, heat = np.full((16, 16, 1), 90, dtype=np.uint8), np.full((4, 4), 0.01)
    weak, strong = (overlay(film, heat, full).astype(int) - 90 for full in (1.0, 0.01))
    assert np.abs(weak).max() < np.abs(strong).max() / 2


def test_no_heat_at_all_leaves_the_film_as_it_is(rng):
    film = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
    assert (overlay(film, np.zeros((4, 4)), full=0.0) == film).all()
