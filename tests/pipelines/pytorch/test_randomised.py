import pytest

pytest.importorskip("torch", reason="PyTorch is not installed: make torch")

import numpy as np
import torch

from pipelines.export.familiarity import feature_statistics
from pipelines.export.randomised import randomisation, shuffled_head
from pipelines.inference import Graph
from tests.pipelines.pytorch.patches import draw, fitted, learner, numbers


def weights(one):
    return {name: value.clone() for name, value in one.network.state_dict().items()}


def same(before, after):
    return {name: torch.equal(before[name], after[name]) for name in before}


def test_the_head_is_shuffled_and_comes_back_exactly(rng):
    one = learner(numbers())
    before = weights(one)
    with pytest.raises(KeyError), shuffled_head(one, rng):
        within = weights(one)
        raise KeyError
    kept = same(before, within)
    assert not kept["head.dense.weight"]
    assert not kept["head.logit.weight"]
    assert all(kept[name] for name in before if name.startswith("body"))
    assert all(torch.equal(before[name].flatten().sort()[0], within[name].flatten().sort()[0]) for name in before)
    assert all(same(before, weights(one)).values())


def test_a_trained_model_is_compared_with_its_shuffled_self(tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.export.randomised.SHUFFLES", 1)  # each is exported, which takes seconds
    one, _ = fitted(numbers(epochs=4), tmp_path / "training")
    check, path = draw(12, seed=1), tmp_path / "model.onnx"
    statistics = feature_statistics(one.features(draw(40).images))
    one.export(path, statistics, check.images)
    heat = Graph(path).answer(check.images).heatmap
    before = weights(one)
    found = randomisation(one, statistics, check.images, heat, np.random.default_rng(1))
    assert found["images"] == 12
    assert 0 <= found["similarity"] < 0.95
    assert all(same(before, weights(one)).values())
