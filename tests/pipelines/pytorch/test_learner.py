import pytest

pytest.importorskip("torch", reason="PyTorch is not installed: make torch")

import torch

from pipelines.errors import ModelError, RecipeError
from pipelines.export.familiarity import feature_statistics
from pipelines.inference import Graph
from pipelines.pytorch.learner import check_possible
from pipelines.recipe import HeadParams
from tests.pipelines.pytorch.patches import DIGITS, SIZES, TURNED, draw, fitted, learner, numbers


@pytest.mark.parametrize(("labels", "columns"), [(TURNED, 1), (DIGITS, 3)])
def test_a_trained_model_is_written_and_its_file_answers_alike(tmp_path, labels, columns):
    one, history = fitted(numbers(epochs=8), tmp_path / "training", labels)
    check = draw(24, len(labels.names), seed=1)
    chance = one.probability(check.images)
    assert chance.shape == (24, columns)
    assert history[-1]["val_auc"] > 0.9
    statistics = feature_statistics(one.features(draw(40).images))
    check.images.setflags(write=False)  # as those of a file that is mapped into memory
    differences = one.export(tmp_path / "model.onnx", statistics, check.images)
    assert differences["probability"] <= 1e-5
    answers = Graph(tmp_path / "model.onnx").answer(check.images)
    assert answers.probability[:, labels.positive_index] == pytest.approx(chance[:, -1], abs=1e-5)
    _saved_as_weights(one, tmp_path)


def _saved_as_weights(one, folder):
    one.save(folder)
    weights = torch.load(folder / "model.pt", weights_only=True)
    assert sum(value.numel() for value in weights.values()) == one.parameters
    assert torch.equal(weights["head.logit.bias"], one.network.head.logit.bias.cpu())


def test_a_model_is_named_and_counted():
    one = learner(numbers(), DIGITS)
    assert one.name == "torch-cnn"
    assert one.parameters == (4 * 9 + 4) + (6 * 4 * 9 + 6) + (8 * 6 * 9 + 8) + (3 * 8 + 3)


def test_the_seed_decides_the_first_weights():
    first, again, other = (learner(numbers(seed=seed)).network.head.dense.weight for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"head": HeadParams(epochs=1, learning_rate=0.1, views=0)}, "train.head is set.* set train.head: null"),
        ({"jit": True}, "train.jit is true.* set train.jit: false"),
        ({"devices": "all"}, "train.devices is all.* set train.devices: one"),
        ({"precision": "float16"}, "float16, which needs a GPU.* set bfloat16 or float32"),
    ],
)
def test_what_this_kind_of_model_has_not_is_refused_in_one_sentence(changed, words):
    with pytest.raises(RecipeError, match=f"The model is torch-cnn, and .*{words}"):
        check_possible(numbers(**changed), "cpu")


def test_half_precision_is_for_gpus():
    assert check_possible(numbers(precision="float16"), "cuda") is None


def test_a_network_beyond_all_memory_is_told_in_one_sentence():
    with pytest.raises(ModelError, match=r"out of memory .* a smaller model or image"):
        learner(numbers(), sizes=SIZES.model_copy(update={"dense": 2**46}))
