import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed: make torch")

import torch

from pipelines.pytorch.state import set_weights, under, weights_of


def test_kept_weights_do_not_change_with_the_network():
    layer = torch.nn.Linear(2, 3)
    kept = weights_of(layer)
    with torch.no_grad():
        layer.weight += 1
    assert not np.array_equal(kept["weight"], layer.weight.detach().numpy())
    set_weights(layer, kept)
    assert np.array_equal(kept["weight"], layer.weight.detach().numpy())


def test_arrays_are_found_under_their_folder():
    arrays = {"best/a.b": np.zeros(1), "best/c": np.ones(1), "bestial": np.ones(2)}
    assert sorted(under("best", arrays)) == ["a.b", "c"]
