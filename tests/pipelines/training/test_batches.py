import threading

import numpy as np
import pytest

from pipelines.recipe import TrainParams
from pipelines.training.batches import Batches, balanced_weights
from pipelines.training.labelled import Labelled


@pytest.fixture
def data(rng):
    return Labelled(rng.integers(0, 256, (23, 4, 4, 1), dtype=np.uint8), np.array([0] * 17 + [1] * 6))


@pytest.fixture
def params(training):
    def make(**changes) -> TrainParams:
        return training(**{"batch": 5, "seed": 7, "balance": "none"} | changes)

    return make


def test_each_epoch_shows_every_image_once(data, params):
    batches = Batches(data, 2, params())
    for epoch in (0, 1):
        shown = np.concatenate([batches.batch(epoch, step)[0] for step in range(len(batches))])
        assert len(shown) == 23
        assert sorted(map(bytes, shown)) == sorted(map(bytes, data.images))


def test_epochs_have_orders_of_their_own_that_the_seed_repeats(data, params):
    first, again, other = (Batches(data, 2, params(seed=seed)) for seed in (7, 7, 8))
    assert np.array_equal(first.batch(3, 1)[0], again.batch(3, 1)[0])
    assert not np.array_equal(first.batch(3, 1)[0], first.batch(4, 1)[0])
    assert not np.array_equal(first.batch(3, 1)[0], other.batch(3, 1)[0])


def test_an_epoch_read_ahead_is_the_batches_one_by_one_from_any_step(data, params):
    batches = Batches(data, 2, params())
    for start in (0, 3):
        ahead = list(batches.epoch(2, start))
        assert len(ahead) == len(batches) - start
        for step, batch in enumerate(ahead, start):
            assert all(np.array_equal(one, two) for one, two in zip(batch, batches.batch(2, step), strict=True))


def test_the_next_batch_is_read_while_the_caller_works_on_this_one(data, params):
    asked = threading.Event()

    class Watched(Batches):
        def batch(self, epoch, step):
            if step == 1:
                asked.set()
            return super().batch(epoch, step)

    epoch = Watched(data, 2, params()).epoch(0)
    next(epoch)
    assert asked.wait(10)
    epoch.close()


def test_images_stay_on_disk_until_their_batch(data, params, tmp_path):
    np.save(tmp_path / "images.npy", data.images)
    mapped = Labelled(np.load(tmp_path / "images.npy", mmap_mode="r"), data.targets)
    images, _, _ = Batches(mapped, 2, params()).batch(0, 0)
    assert images.dtype == np.uint8
    assert not isinstance(images.base, np.memmap)


def test_weights_make_the_classes_count_alike(data, params):
    batches = Batches(data, 2, params(balance="weights"))
    targets, weights = (np.concatenate(parts) for parts in zip(*(b[1:] for b in batches.epoch(0)), strict=True))
    assert weights[targets == 0].sum() == pytest.approx(weights[targets == 1].sum())
    assert weights.mean() == pytest.approx(1)


def test_oversampling_shows_each_class_as_often_and_every_image(data, params):
    batches = Batches(data, 2, params(balance="oversample"))
    images, targets = (np.concatenate(parts) for parts in zip(*(b[:2] for b in batches.epoch(1)), strict=True))
    assert np.bincount(targets).tolist() == [17, 17]
    assert set(map(bytes, images)) == set(map(bytes, data.images))
    assert batches.images_an_epoch == 34
    assert all((batch[2] == 1).all() for batch in batches.epoch(0))


def test_without_balance_every_image_weighs_one(data, params):
    assert all((batch[2] == 1).all() for batch in Batches(data, 2, params()).epoch(0))


def test_balanced_weights_of_an_absent_class_are_finite():
    assert np.isfinite(balanced_weights(np.array([4, 0, 2]))).all()
