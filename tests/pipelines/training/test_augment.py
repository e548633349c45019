import keras
import numpy as np
import pytest
from keras import ops

from pipelines.contact_sheet import STILL, changed
from pipelines.recipe import AugmentParams
from pipelines.training.augment import Augment, apply, inverse_affine, resample

NOTHING = AugmentParams(rotation=0, shift=0, shear=0, zoom=0, flip=False, contrast=0, brightness=0, noise=0)
MUCH = AugmentParams(rotation=9, shift=0.1, shear=0.1, zoom=0.1, flip=True, contrast=0.2, brightness=0.1, noise=0.05)


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (4, 21, 17, 1), dtype=np.uint8)


def test_no_change_leaves_the_pixels_as_they_are(images):
    assert np.array_equal(changed(images, {}), images)


def test_a_flip_mirrors_left_and_right(images):
    assert np.array_equal(changed(images, {"flip": -1.0}), images[:, :, ::-1])


def test_a_quarter_turn_of_a_square_is_exact(images):
    square = images[:, :17]
    turned = changed(square, {"rotation": 90.0})
    assert np.array_equal(turned, np.rot90(square, axes=(1, 2))) or np.array_equal(turned, np.rot90(square, -1, (1, 2)))


def test_a_shift_moves_by_a_share_of_the_side(images):
    moved = changed(images, {"shift_x": 3 / 17})
    assert np.array_equal(moved[:, :, 3:], images[:, :, :-3])
    assert not moved[:, :, :3].any()


def test_zoom_keeps_the_middle_in_the_middle():
    images = np.zeros((1, 21, 21, 1), dtype=np.uint8)
    images[0, 10, 10] = 255
    larger = changed(images, {"zoom": 1.0})[0, :, :, 0].astype(float)
    assert larger.sum() > 255
    rows, columns = np.indices(larger.shape)
    assert (larger * rows).sum() / larger.sum() == pytest.approx(10)
    assert (larger * columns).sum() / larger.sum() == pytest.approx(10)


def test_contrast_and_brightness_work_in_shares_of_the_grey_range():
    grey = np.full((1, 8, 8, 1), 100, dtype=np.uint8)
    assert changed(grey, {"brightness": 0.1})[0, 4, 4, 0] == 126  # 100 + 25.5, rounded to even
    assert changed(grey, {"contrast": 0.2})[0, 4, 4, 0] == 94  # 127.5 - 27.5 * 1.2 = 94.5


def test_values_stay_grey_levels(images):
    assert changed(images, {"brightness": 1.0}).min() == 255


def test_nothing_changes_outside_training(images):
    assert np.array_equal(ops.convert_to_numpy(Augment(MUCH, 1)(images, training=False)), images.astype(np.float32))


def test_a_layer_that_always_changes_does_so_when_a_model_predicts(images):
    start = keras.layers.Input(images.shape[1:], dtype="uint8")
    for always in (True, False):
        shown = keras.Model(start, Augment(MUCH, 7, always=always)(start)).predict_on_batch(images)
        assert np.array_equal(shown, images.astype(np.float32)) is not always


def test_resampling_equals_that_of_keras(images):
    change = {name: ops.convert_to_tensor(np.float32([value] * 4)) for name, value in STILL.items()}
    change |= {"rotation": np.float32([3, -7, 20, 90]), "shift_x": np.float32([0.1, -0.2, 0, 0.05])}
    change |= {"shear": np.float32([0, 0.1, -0.1, 0]), "zoom": np.float32([0.2, -0.1, 0, 0])}
    matrix = inverse_affine(change, 21, 17)
    expected = ops.image.affine_transform(images.astype(np.float32), matrix, "bilinear", "constant")
    assert np.allclose(ops.convert_to_numpy(resample(images, matrix)), ops.convert_to_numpy(expected), atol=0.01)


def test_the_same_seed_changes_alike_and_another_otherwise(images):
    first, again, other = (ops.convert_to_numpy(Augment(MUCH, seed)(images, training=True)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_each_image_of_a_batch_is_changed_in_its_own_way():
    alike = np.repeat(np.random.default_rng(0).integers(0, 256, (1, 16, 16, 1), dtype=np.uint8), 2, axis=0)
    one, two = ops.convert_to_numpy(Augment(MUCH, 1)(alike, training=True))
    assert not np.array_equal(one, two)


def test_a_recipe_without_augmentation_trains_on_the_pixels_themselves(images):
    kept = ops.convert_to_numpy(Augment(NOTHING, 1)(images, training=True))
    assert np.allclose(kept, images, atol=1e-3)


def test_the_layer_does_the_same_inside_a_compiled_model(images):
    start = keras.layers.Input(images.shape[1:], dtype="uint8")
    model = keras.Model(start, Augment(MUCH, 7)(start))
    inside = keras.ops.convert_to_numpy(model(images, training=True))
    assert np.allclose(inside, ops.convert_to_numpy(Augment(MUCH, 7)(images, training=True)), atol=1e-3)


def test_amounts_are_those_of_each_image(images):
    change = {name: ops.full((4,), still) for name, still in STILL.items()}
    change["flip"] = ops.convert_to_tensor(np.array([1, -1, 1, -1], dtype=np.float32))
    floats = images.astype(np.float32)
    result = ops.convert_to_numpy(apply(ops.convert_to_tensor(floats), change, ops.zeros(images.shape)))
    assert np.allclose(result[::2], floats[::2], atol=1e-3)
    assert np.allclose(result[1::2], floats[1::2, :, ::-1], atol=1e-3)
