import numpy as np
import onnx
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed: make torch")

from pipelines.export.familiarity import distances, feature_statistics
from pipelines.export.layout import bake_layout, layout_of
from pipelines.export.quantised import differences, quantise
from pipelines.inference import Graph
from tests.pipelines.pytorch.patches import draw, learner, numbers


def test_the_file_of_a_pytorch_model_gets_both_distances_and_eight_bits(tmp_path):
    one, images = learner(numbers()), draw(60).images
    features = one.features(images)
    one.export(path := tmp_path / "model.onnx", feature_statistics(features), images[:4])
    usual = float(np.median(distances(features, feature_statistics(features))))
    bake_layout(path, layout_of(images), usual)
    exact = Graph(path).answer(images)
    assert np.median(exact.distance) == pytest.approx(1.0, abs=0.2)
    quantise(path, images, np.random.default_rng(1))
    assert sum(weight.data_type == onnx.TensorProto.INT8 for weight in onnx.load(path).graph.initializer) >= 2
    found = differences(exact, Graph(path).answer(images))
    assert 0 < found["largest"] < 0.05
    assert found["heatmap"] > 0.9
