import numpy as np
import onnx
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed: make torch")

import torch

from pipelines.export.familiarity import FeatureStatistics
from pipelines.inference import OUTPUTS, Graph
from pipelines.pytorch.explain import Inference
from pipelines.pytorch.export import export
from pipelines.pytorch.network import TorchCnn
from tests.pipelines.pytorch.patches import SIZES, picture


def written(path, outputs, channels=1):
    torch.manual_seed(3)
    known = FeatureStatistics(np.zeros(6, np.float32), np.eye(6, dtype=np.float32))
    model = Inference(TorchCnn(SIZES, picture(channels=channels), outputs), known, 0)
    images = torch.randint(0, 256, (7, 10, 10, channels), dtype=torch.uint8)
    export(model, path, images.shape[1:])
    return model, images


@pytest.mark.parametrize(("outputs", "channels"), [(1, 1), (4, 3)])
def test_the_file_says_what_the_model_says_for_any_number_of_images(tmp_path, outputs, channels):
    model, images = written(tmp_path / "model.onnx", outputs, channels)
    graph = Graph(tmp_path / "model.onnx")
    for count in (1, 7):
        answers = graph.answer(images[:count].numpy())
        for name, meant in zip(OUTPUTS, model(images[:count]), strict=True):
            found = getattr(answers, name)
            assert found.shape == meant.shape
            assert np.abs(found - meant.detach().numpy()).max() <= 1e-5 * max(1, meant.abs().max().item()), name


def test_the_same_weights_give_the_same_bytes_without_paths_of_this_machine(tmp_path):
    for name in ("one", "two"):
        written(tmp_path / f"{name}.onnx", 1)
    one, two = ((tmp_path / f"{name}.onnx").read_bytes() for name in ("one", "two"))
    assert one == two
    assert b".py" not in one


def test_input_and_outputs_are_those_of_the_contract(tmp_path):
    written(tmp_path / "model.onnx", 1)
    file = onnx.load(tmp_path / "model.onnx")
    onnx.checker.check_model(file, full_check=True)
    assert [value.name for value in file.graph.input] == ["image"]
    assert file.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [value.name for value in file.graph.output] == list(OUTPUTS)
    for value in (*file.graph.input, *file.graph.output):
        assert value.type.tensor_type.shape.dim[0].dim_param == "n"
