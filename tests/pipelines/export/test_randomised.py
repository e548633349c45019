from types import SimpleNamespace

import numpy as np
import pytest
from keras import layers
from scipy.stats import spearmanr

from pipelines.export.familiarity import feature_statistics
from pipelines.export.randomised import (
    IMAGES,
    LIMIT,
    SHUFFLES,
    _drawing,
    randomisation,
    rank_correlation,
    shuffled_head,
)
from pipelines.inference import Answers, Graph
from pipelines.recipe import TrainParams
from pipelines.training.checkpoint import Checkpoints
from tests.conftest import TRAINING
from tests.pipelines.patches import draw, learner


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A tiny Keras model, what it knows of its features, and its answers."""
    folder = tmp_path_factory.mktemp("trained")
    one, learn, check = learner(TrainParams(**TRAINING)), draw(48), draw(24, seed=1)
    one.fit(learn, check, Checkpoints(folder / "training", "key", 3600))
    statistics = feature_statistics(one.features(learn.images))
    one.export(folder / "model.onnx", statistics, check.images)
    return one, statistics, check.images, Graph(folder / "model.onnx").answer(check.images).heatmap


class Fake:
    """A learner without layers, whose file answers with the heatmaps that it is told."""

    framework = "torch"
    network = SimpleNamespace(head=SimpleNamespace(parameters=list))

    def export(self, path, statistics, images):
        path.touch()


def answering(monkeypatch, heat):
    """Have every model file answer with `heat(images)`."""
    fake = SimpleNamespace(answer_all=lambda images: Answers(None, heat(images), None))
    monkeypatch.setattr("pipelines.export.randomised.Graph", lambda path: fake)


def pictures(rng, count=10):
    return rng.integers(0, 256, (count, 8, 8, 1), dtype=np.uint8)


def brightness(images):
    return images[..., 0].astype("float32")


def test_the_head_is_shuffled_and_comes_back_exactly(trained, rng):
    one, before = trained[0], trained[0].network.get_weights()
    dense = {id(weight) for layer in one.network.layers if isinstance(layer, layers.Dense) for weight in layer.weights}
    with shuffled_head(one, rng):
        for weight, array in zip(one.network.weights, before, strict=True):
            now = np.asarray(weight)
            assert np.array_equal(np.sort(now.ravel()), np.sort(array.ravel()))
            if id(weight) not in dense:
                assert np.array_equal(now, array)
            elif len(np.unique(array)) > 4:
                assert not np.array_equal(now, array)
    assert all(np.array_equal(*pair) for pair in zip(one.network.get_weights(), before, strict=True))


def test_the_head_comes_back_after_an_exception(trained, rng):
    one, before = trained[0], trained[0].network.get_weights()
    with pytest.raises(KeyError), shuffled_head(one, rng):
        raise KeyError
    assert all(np.array_equal(*pair) for pair in zip(one.network.get_weights(), before, strict=True))


def test_a_trained_model_is_compared_with_its_shuffled_self(trained):
    one, statistics, images, heat = trained
    first, again = (randomisation(one, statistics, images, heat, np.random.default_rng(5)) for _ in range(2))
    assert first == again
    assert 0 <= first["similarity"] < 0.95
    assert 0 < first["images"] <= len(images)
    assert (first["shuffles"], first["limit"]) == (SHUFFLES, LIMIT)
    assert first["passed"] == (first["similarity"] < LIMIT)


def test_heat_that_ignores_the_head_does_not_pass(monkeypatch, rng):
    images = pictures(rng)
    answering(monkeypatch, brightness)
    found = randomisation(Fake(), None, images, brightness(images), rng)
    assert found["similarity"] == pytest.approx(1)
    assert not found["passed"]


def test_heat_turned_upside_down_does_not_pass(monkeypatch, rng):
    images = pictures(rng)
    answering(monkeypatch, lambda images: 255 - brightness(images))
    assert not randomisation(Fake(), None, images, brightness(images), rng)["passed"]


def test_heat_that_has_nothing_in_common_passes(monkeypatch, rng):
    images = pictures(rng, 80)
    answering(monkeypatch, lambda images: rng.random((len(images), 8, 8)))
    found = randomisation(Fake(), None, images, brightness(images), rng)
    assert found["images"] == IMAGES
    assert found["similarity"] < 0.2
    assert found["passed"]


def test_a_shuffled_model_without_heat_is_not_alike_and_told(monkeypatch, rng):
    images = pictures(rng)
    answering(monkeypatch, lambda images: np.zeros((len(images), 8, 8)))
    found = randomisation(Fake(), None, images, brightness(images), rng)
    assert (found["similarity"], found["constant"], found["passed"]) == (0, 1, True)


def test_images_without_heat_of_their_own_do_not_count(monkeypatch, rng):
    images = pictures(rng)
    answering(monkeypatch, brightness)
    heat = brightness(images)
    heat[:7] = 0
    found = randomisation(Fake(), None, images, heat, rng)
    assert found["images"] == 3
    assert found["similarity"] == pytest.approx(1)


def test_a_model_without_any_heat_does_not_pass(rng):
    found = randomisation(Fake(), None, pictures(rng), np.zeros((10, 4, 4)), rng)
    assert (found["images"], found["similarity"], found["passed"]) == (0, None, False)


def test_the_rank_correlation_is_spearmans(rng):
    one, other = rng.integers(0, 5, (2, 6, 4, 5)).astype(float)
    expected = [abs(spearmanr(a.ravel(), b.ravel()).statistic) for a, b in zip(one, other, strict=True)]
    assert rank_correlation(one, other) == pytest.approx(expected)


def test_heat_is_drawn_as_the_exported_file_draws_it(trained):
    one, statistics, images, heat = trained
    assert _drawing(one, statistics)(images) == pytest.approx(heat, abs=1e-4 * float(heat.max()))
