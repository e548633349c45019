import pytest

pytest.importorskip("torch", reason="PyTorch is not installed: make torch")

from pipelines.evaluation.features import pooled_features
from pipelines.export.familiarity import feature_statistics
from tests.pipelines.pytorch.patches import draw, learner, numbers


def test_the_file_of_a_pytorch_model_gives_its_features(tmp_path):
    one, images = learner(numbers()), draw(40).images
    one.export(tmp_path / "model.onnx", feature_statistics(one.features(images)), images[:4])
    assert pooled_features(tmp_path / "model.onnx", images) == pytest.approx(one.features(images), abs=1e-4)
