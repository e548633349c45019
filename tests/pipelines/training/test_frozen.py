import keras
import numpy as np
import pytest

from pipelines.export.explain import feature_extractor
from pipelines.training.frozen import FrozenFeatures, head_model
from pipelines.training.predict import predict
from tests.pipelines.patches import AUGMENT, draw, learner


@pytest.fixture
def network(training):
    return learner(training()).network


@pytest.fixture
def images():
    return draw(40).images


def test_vectors_of_the_plain_images_are_those_of_the_model(network, images, tmp_path):
    vectors = FrozenFeatures(network, AUGMENT, tmp_path, "key").plain(images, "train")
    assert np.allclose(vectors, predict(feature_extractor(network), images), atol=1e-6)


def test_the_head_on_vectors_says_what_the_whole_model_says(network, images, tmp_path):
    vectors = FrozenFeatures(network, AUGMENT, tmp_path, "key").plain(images, "train")
    assert np.allclose(predict(head_model(network), vectors), predict(network, images), atol=1e-6)


def test_views_differ_and_the_seed_repeats_them(network, images, tmp_path):
    frozen = FrozenFeatures(network, AUGMENT, tmp_path / "one", "key")
    plain, one, two = frozen.plain(images, "train"), frozen.view(images, "train", 1), frozen.view(images, "train", 2)
    assert not np.allclose(plain, one, atol=1e-4)
    assert not np.allclose(one, two, atol=1e-4)
    again = FrozenFeatures(network, AUGMENT, tmp_path / "again", "key").view(images, "train", 1)
    assert np.array_equal(one, again)


def test_what_was_computed_is_not_computed_again(network, images, tmp_path, monkeypatch):
    first = np.array(FrozenFeatures(network, AUGMENT, tmp_path, "key").view(images, "train", 1))
    monkeypatch.setattr(keras.Model, "predict_on_batch", lambda *told: pytest.fail("computed again"))
    assert np.array_equal(FrozenFeatures(network, AUGMENT, tmp_path, "key").view(images, "train", 1), first)


def test_vectors_of_another_run_are_removed(network, images, tmp_path):
    FrozenFeatures(network, AUGMENT, tmp_path, "key").plain(images, "train")
    other = FrozenFeatures(network, AUGMENT, tmp_path, "other")
    assert not list(tmp_path.iterdir())
    other.plain(images, "train")
    other.remove()
    assert not list(tmp_path.iterdir())
