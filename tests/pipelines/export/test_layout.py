import shutil

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import LedoitWolf

from pipelines.evaluation.features import pooled_features
from pipelines.export.familiarity import distances, feature_statistics
from pipelines.export.layout import averaging, bake_layout, layout_of
from pipelines.inference import Graph
from pipelines.recipe import TrainParams
from tests.conftest import TRAINING
from tests.pipelines.conftest import brightness_model
from tests.pipelines.patches import draw, learner


def scenes(rng, count, side=(40, 32), channels=1):
    """Images with a bright half below and some grain."""
    images = rng.integers(0, 60, (count, *side, channels))
    images[:, side[0] // 2 :] += 120 + rng.integers(0, 30, (count, 1, 1, 1))
    return images.astype(np.uint8)


@pytest.mark.parametrize("side", [3, 16, 28, 224, 300])
def test_cells_are_means_of_equal_parts(side):
    matrix = averaging(side)
    assert matrix.shape == (min(16, side), side)
    assert matrix.sum(axis=1) == pytest.approx(1.0)
    assert matrix.sum(axis=0) == pytest.approx(min(16, side) / side)
    if side % 16 == 0:
        picture = np.random.default_rng(0).random(side)
        assert matrix @ picture == pytest.approx(picture.reshape(16, -1).mean(axis=1))


def test_the_file_gives_the_mean_of_both_distances_in_units_of_the_usual_one(tmp_path, rng):
    learnt, others = scenes(rng, 300), scenes(rng, 20)
    brightness_model(tmp_path / "model.onnx", 2)
    images = np.concatenate([others, 255 - others])
    before = Graph(tmp_path / "model.onnx").answer(images)
    bake_layout(tmp_path / "model.onnx", layout := layout_of(learnt), 2.0)
    after = Graph(tmp_path / "model.onnx").answer(images)
    cells = (layout.rows @ learnt[..., 0].astype(float) @ layout.columns.T).reshape(len(learnt), -1)
    fitted = LedoitWolf().fit(cells)
    inverse = np.linalg.inv(fitted.covariance_ + np.eye(256) / 12)
    seen = (layout.rows @ images[..., 0].astype(float) @ layout.columns.T).reshape(len(images), -1)
    meant = np.array([mahalanobis(one, fitted.location_, inverse) ** 2 for one in seen])
    assert after.distance == pytest.approx(before.distance / 4 + meant / layout.usual / 2, rel=1e-3)
    assert np.array_equal(after.probability, before.probability)
    assert np.array_equal(after.heatmap, before.heatmap)


def test_images_upside_down_inverted_or_of_noise_are_further_off_than_any_like_those_of_training(tmp_path, rng):
    learnt, others = scenes(rng, 3000), scenes(rng, 50)
    brightness_model(tmp_path / "model.onnx", 2)
    bake_layout(tmp_path / "model.onnx", layout_of(learnt), 1e9)
    ask = Graph(tmp_path / "model.onnx").answer
    usual = ask(others).distance
    assert np.median(usual) == pytest.approx(0.5, abs=0.15)  # the other half is that of the features
    for strange in (others[:, ::-1], 255 - others, rng.integers(0, 256, others.shape, dtype=np.uint8)):
        assert ask(np.ascontiguousarray(strange)).distance.min() > 1.5 * usual.max()


def test_the_layout_of_colour_images_knows_their_colours(rng):
    learnt = scenes(rng, 300, channels=3)
    learnt[..., 2] //= 4
    layout = layout_of(learnt)
    turned = learnt[..., ::-1]

    def off(images):
        planes = images.astype(float).transpose(0, 3, 1, 2)
        levels = (layout.rows @ planes @ layout.columns.T).reshape(len(images), -1)
        return np.square((levels - layout.mean) @ layout.whitening).sum(axis=1)

    assert np.median(off(learnt)) == pytest.approx(layout.usual)
    assert off(turned).min() > 3 * off(learnt).max()


@pytest.mark.parametrize("images", [np.full((9, 20, 20, 1), 7, np.uint8), np.zeros((2, 4, 4, 1), np.uint8)])
def test_images_that_are_all_alike_have_a_layout_too(tmp_path, images):
    brightness_model(tmp_path / "model.onnx", 2)
    bake_layout(tmp_path / "model.onnx", layout_of(images), 0.0)
    assert np.isfinite(Graph(tmp_path / "model.onnx").answer(images).distance).all()


def test_the_same_layout_gives_the_same_bytes_and_features_are_still_found(tmp_path):
    one, images = learner(TrainParams(**TRAINING)), draw(60).images
    features = one.features(images)
    statistics = feature_statistics(features)
    one.export(tmp_path / "plain.onnx", statistics, images[:4])
    for name in ("one.onnx", "two.onnx"):
        shutil.copy(tmp_path / "plain.onnx", tmp_path / name)
        bake_layout(tmp_path / name, layout_of(images), float(np.median(distances(features, statistics))))
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "two.onnx").read_bytes()
    assert pooled_features(tmp_path / "one.onnx", images) == pytest.approx(features, abs=1e-4)
    assert np.median(Graph(tmp_path / "one.onnx").answer(images).distance) == pytest.approx(1.0, abs=0.2)


def test_distances_of_features_are_those_of_the_file(tmp_path):
    one, images = learner(TrainParams(**TRAINING)), draw(40).images
    statistics = feature_statistics(features := one.features(images))
    one.export(tmp_path / "model.onnx", statistics, images[:4])
    assert Graph(tmp_path / "model.onnx").answer(images).distance == pytest.approx(
        distances(features, statistics), rel=1e-3
    )
