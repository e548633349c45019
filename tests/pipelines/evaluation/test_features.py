import numpy as np
import onnx
import pytest

from pipelines.evaluation.features import features_tensor, pooled_features
from pipelines.export.familiarity import feature_statistics
from pipelines.recipe import TrainParams
from tests.conftest import TRAINING
from tests.pipelines.conftest import brightness_model
from tests.pipelines.patches import draw, learner


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A tiny Keras model, its file, and some images."""
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    one, images = learner(TrainParams(**TRAINING)), draw(40).images
    one.export(path, feature_statistics(one.features(images)), images[:4])
    return one, path, images


def test_the_file_gives_the_features_that_training_saw(exported):
    one, path, images = exported
    before = path.read_bytes()
    assert pooled_features(path, images) == pytest.approx(one.features(images), abs=1e-4)
    assert path.read_bytes() == before


def test_the_tensor_is_found_by_what_is_made_of_it(exported):
    graph = onnx.load(exported[1]).graph
    assert features_tensor(graph) in {tensor for node in graph.node for tensor in node.output}


def test_a_file_without_such_features_gives_none(tmp_path, rng):
    brightness_model(tmp_path / "model.onnx", 2)
    assert pooled_features(tmp_path / "model.onnx", rng.integers(0, 256, (3, 16, 16, 1), dtype=np.uint8)) is None
