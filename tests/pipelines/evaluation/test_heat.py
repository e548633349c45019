import numpy as np
import pytest
from scipy import ndimage

from pipelines.evaluation.body import body_of
from pipelines.evaluation.heat import COLUMNS, measure_heat
from pipelines.overlay import spread

SIDE = 96


def chest(side=SIDE, lung=10, tissue=150):
    """A body that ends at the lower border, on a black ground, with two dark lungs and a letter beside the neck."""
    film = np.zeros((side, side, 1), dtype=np.uint8)
    rows, columns = np.mgrid[:side, :side] / side
    body = (rows > 0.2) & (columns > 0.15) & (columns < 0.85)
    film[body] = tissue
    for left in (0.25, 0.55):
        film[(rows > 0.3) & (rows < 0.7) & (columns > left) & (columns < left + 0.2)] = lung
    film[(rows > 0.03) & (rows < 0.08) & (columns > 0.03) & (columns < 0.06)] = 255
    return film, body


def close(found, body, pixels):
    """Whether two outlines are nowhere further apart than some pixels."""
    least = ndimage.binary_erosion(body, iterations=pixels, border_value=1)
    most = ndimage.binary_dilation(body, iterations=pixels)
    return found[least].all() and not found[~most].any()


def hand_drawn():
    """Heat as large as its image of 4 x 4 pixels, so that nothing is interpolated, and a mask with its maximum."""
    heat = np.array([[0, 0, 0, 0], [0, 6, 2, 0], [0, 1, 1, 0], [0, 0, 0, 0]], dtype=np.float32)
    mask = np.zeros((4, 4), dtype=bool)
    mask[1, :2] = True
    return heat, mask


def test_the_figures_of_a_heatmap_drawn_by_hand_are_exact():
    heat, mask = hand_drawn()
    images = np.zeros((2, 4, 4, 1), dtype=np.uint8)
    table = measure_heat(np.stack([heat, heat]), [mask, ~mask], images, body=False)
    assert list(table.columns) == COLUMNS
    assert table["heat_hit"].tolist() == [1.0, 0.0]
    assert table["heat_inside"].tolist() == pytest.approx([0.6, 0.4])
    assert table["mask_share"].tolist() == [2 / 16, 14 / 16]
    assert table["heat_outside_body"].isna().all()


def test_a_coarse_heatmap_is_spread_over_the_image_as_the_overlay_shows_it():
    heat = np.zeros((1, 4, 4), dtype=np.float32)
    heat[0, 1, 2] = 1
    mask = np.zeros((32, 32), dtype=bool)
    mask[8:16, 16:24] = True  # the hot cell
    table = measure_heat(heat, [mask], np.zeros((1, 32, 32, 1), dtype=np.uint8), body=False)
    shown = spread(heat[0], (32, 32))
    assert table["heat_hit"][0] == 1
    assert table["heat_inside"][0] == pytest.approx(shown[mask].sum() / shown.sum())
    assert 0.3 < table["heat_inside"][0] < 0.9


def test_without_a_mask_or_any_heat_nothing_is_pointed_at():
    heat, mask = hand_drawn()
    images = np.full((3, 4, 4, 1), 200, dtype=np.uint8)
    table = measure_heat(np.stack([heat, heat * 0, heat]), [None, mask, mask], images, body=True)
    assert table["heat_hit"].isna().tolist() == [True, True, False]
    assert table["heat_inside"].isna().tolist() == [True, True, False]
    assert table["mask_share"].isna().tolist() == [True, False, False]
    assert table["heat_outside_body"].isna().tolist() == [False, True, False]


def test_where_nobody_drew_masks_the_heat_beside_the_body_is_still_counted():
    film, _ = chest()
    heat = np.zeros((2, SIDE, SIDE), dtype=np.float32)
    heat[:, 50, 50], heat[1, 4, 90] = 3, 1
    table = measure_heat(heat, None, np.stack([film, film]), body=True)
    assert table["heat_outside_body"].tolist() == [0, 0.25]
    assert table["heat_hit"].isna().all()


def test_chance_does_not_profit_from_the_dark_ground():
    film, body = chest()
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    mask[40:60, 30:50] = True
    heat = np.ones((1, SIDE, SIDE), dtype=np.float32)
    chance = [measure_heat(heat, [mask], film[None], body=known)["mask_share"][0] for known in (False, True)]
    assert chance[0] == mask.mean()
    assert chance[1] == pytest.approx(mask.sum() / body.sum(), rel=0.05)  # the outline is a pixel wide


def test_lungs_belong_to_the_body_and_letters_do_not():
    film, body = chest()
    found = body_of(film)
    assert close(found, body, pixels=1)
    assert found[40, 30]  # in a lung
    assert not found[5, 4]  # in the letter


@pytest.mark.parametrize("shape", [(224, 224), (28, 28), (120, 60)])
def test_the_body_is_found_at_any_size(shape):
    film, body = chest(240)
    step = [np.arange(n) * 240 // n for n in shape]
    small = film[np.ix_(*step)]
    found = body_of(np.repeat(small, 3, axis=2))
    assert found.shape == shape
    assert close(found, body[np.ix_(*step)], pixels=1 + max(shape) // 96)


def test_a_narrow_leak_does_not_drain_the_lungs():
    film, _ = chest()
    film[: SIDE // 2, 30:33] = 0  # from the ground above the shoulder into the lung
    assert body_of(film)[40, 28]
    film[: SIDE // 2, 25:40] = 0
    assert not body_of(film)[40, 28]


@pytest.mark.parametrize("level", [0, 90, 255])
def test_an_image_without_dark_border_is_body_everywhere(level):
    film = np.full((SIDE, SIDE, 1), 180, dtype=np.uint8)
    film[30:60, 30:60] = level
    assert body_of(film).all()


@pytest.mark.parametrize("level", [0, 255])
def test_an_image_of_one_level_is_body_everywhere(level):
    assert body_of(np.full((20, 20, 1), level, dtype=np.uint8)).all()
