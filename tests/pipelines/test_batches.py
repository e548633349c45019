import numpy as np

from pipelines.batches import Batches, balanced_weights

IMAGES = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1)
TARGETS = np.array([0, 1] * 5)


def batches(seed=1, batch=4):
    return Batches(IMAGES, TARGETS, np.array([0.5, 2.0]), batch, seed)


def order(given):
    return [int(value) for number in range(len(given)) for value in given[number][0].ravel()]


def test_an_epoch_shows_every_image_once_the_last_batch_smaller():
    given = batches()
    assert len(given) == 3
    assert sorted(order(given)) == list(range(10))
    assert len(given[2][0]) == 2


def test_an_image_keeps_its_target_and_the_weight_of_its_class():
    images, targets, weights = batches()[0]
    assert np.array_equal(targets, images.ravel() % 2)
    assert np.array_equal(weights, np.where(targets, 2.0, 0.5))


def test_each_epoch_has_another_order_that_the_seed_repeats():
    first, again = batches(), batches()
    before = order(first)
    assert before == order(again)
    first.on_epoch_end()
    again.on_epoch_end()
    assert order(first) == order(again) != before
    assert order(batches(seed=2)) != before


def test_balanced_weights_make_all_classes_count_alike():
    targets = np.array([0] * 30 + [1] * 10)
    weights = balanced_weights(targets, 2)
    assert weights[0] * 30 == weights[1] * 10
    assert np.isclose(weights[targets].mean(), 1)
