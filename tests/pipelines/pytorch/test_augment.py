import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed: make torch")

import torch

from pipelines.pytorch.augment import Augment, apply
from pipelines.recipe import AugmentParams
from pipelines.training import augment as of_keras
from tests.pipelines.pytorch.patches import NOTHING

MUCH = AugmentParams(rotation=180, shift=0.2, shear=0.3, zoom=0.3, flip=True, contrast=0.3, brightness=0.2, noise=0.1)
STILL = dict.fromkeys(("rotation", "shift_x", "shift_y", "shear", "zoom", "contrast", "brightness", "noise"), 0.0)
CPU = torch.device("cpu")


@pytest.fixture
def images(rng):
    return torch.from_numpy(rng.integers(0, 256, (4, 21, 17, 1), dtype=np.uint8))


def changed(images, **change):
    """Images, each changed by the same amounts."""
    amounts = {name: torch.full((len(images),), float(value)) for name, value in (STILL | {"flip": 1} | change).items()}
    return apply(images, amounts, None)


@pytest.mark.parametrize("shape", [(16, 21, 17, 1), (16, 12, 30, 3), (16, 28, 28, 1)])
def test_given_amounts_change_images_as_the_keras_layer_does(rng, shape):
    images = rng.integers(0, 256, shape, dtype=np.uint8)
    grain = rng.standard_normal(shape, dtype=np.float32)
    amounts = {name: value.numpy() for name, value in Augment(MUCH, 1, CPU)._draw(len(images)).items()}
    meant = np.asarray(of_keras.apply(images, amounts, grain))
    tensors = {name: torch.from_numpy(value) for name, value in amounts.items()}
    found = apply(torch.from_numpy(images), tensors, torch.from_numpy(grain)).numpy()
    assert np.abs(found - images).max() > 50
    assert np.abs(found - meant).max() < 1e-3


def test_no_change_leaves_the_pixels_as_they_are(images):
    assert (changed(images) - images).abs().max() < 1e-3


def test_a_flip_mirrors_left_and_right(images):
    assert (changed(images, flip=-1) - images.flip(2)).abs().max() < 1e-3


def test_a_shift_moves_by_a_share_of_the_side_and_leaves_black(images):
    moved = changed(images, shift_x=3 / 17)
    assert (moved[:, :, 3:] - images[:, :, :-3]).abs().max() < 1e-3
    assert moved[:, :, :3].abs().max() < 1e-3


def test_amounts_are_drawn_over_the_whole_range_and_not_beyond():
    amounts = Augment(MUCH, 1, CPU)._draw(4000)
    for name, value in amounts.items():
        limit = {"shift_x": 0.2, "shift_y": 0.2, "flip": 1.0}.get(name) or getattr(MUCH, name)
        low = 0.0 if name == "noise" else -limit
        assert low <= value.min() < low + 0.01 * limit, name
        assert limit - 0.01 * limit < value.max() <= limit, name
    assert amounts["flip"].unique().tolist() == [-1.0, 1.0]
    assert abs(amounts["flip"].mean()) < 0.05
    assert len({tuple(value[:3].tolist()) for value in amounts.values()}) == len(amounts)


def test_noise_is_a_share_of_the_grey_range():
    grey = torch.full((400, 8, 8, 1), 128, dtype=torch.uint8)
    noise = Augment(NOTHING.model_copy(update={"noise": 0.1}), 1, CPU)(grey) - 128
    assert noise.std(dim=(1, 2, 3)).max() < 40
    assert noise.std(dim=(1, 2, 3)).mean().item() == pytest.approx(255 * 0.05, rel=0.1)


def test_the_same_seed_changes_alike_and_another_otherwise(images):
    first, again, other = (Augment(MUCH, seed, CPU)(images) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_stream_goes_on_where_its_state_was_kept(images):
    one, two = Augment(MUCH, 1, CPU), Augment(MUCH, 2, CPU)
    one(images)
    two.generator.set_state(one.generator.get_state())
    assert torch.equal(one(images), two(images))


def test_with_nothing_to_change_images_come_back_themselves(images):
    assert Augment(NOTHING, 1, CPU)(images) is images


def test_values_stay_grey_levels(images):
    many = Augment(MUCH, 1, CPU)(images.repeat(20, 1, 1, 1))
    assert many.dtype == torch.float32
    assert many.min() == 0
    assert many.max() == 255
