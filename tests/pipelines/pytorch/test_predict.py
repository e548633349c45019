import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed: make torch")

import torch

from pipelines.pytorch.network import TorchCnn
from pipelines.pytorch.predict import pooled_features, probabilities
from tests.pipelines.pytorch.patches import SIZES, draw, picture


@pytest.fixture
def network():
    torch.manual_seed(0)
    return TorchCnn(SIZES, picture(), 3)


def test_any_number_of_images_on_disk_is_answered_without_dropout(network, tmp_path):
    np.save(tmp_path / "images.npy", draw(7).images)
    images = np.load(tmp_path / "images.npy", mmap_mode="r")
    by_three, at_once = (probabilities(network, images, batch) for batch in (3, 7))
    assert by_three.shape == (7, 3)
    assert by_three.sum(axis=1) == pytest.approx(np.ones(7), rel=1e-5)
    assert by_three == pytest.approx(at_once, abs=1e-6)


def test_pooled_features_are_the_means_of_the_channels(network):
    images = draw(5).images
    found = pooled_features(network, images, 2)
    meant = network.features(torch.from_numpy(images)).mean(dim=(2, 3)).detach().numpy()
    assert found.dtype == np.float32
    assert found == pytest.approx(meant, abs=1e-6)
