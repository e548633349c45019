import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed: make torch")

import torch
from sklearn.covariance import LedoitWolf

from pipelines.export.familiarity import FeatureStatistics, feature_statistics
from pipelines.pytorch.explain import Inference
from pipelines.pytorch.network import TorchCnn
from pipelines.pytorch.predict import pooled_features, probabilities
from tests.pipelines.pytorch.patches import SIZES, picture


def network_of(shape, outputs):
    """A network whose logits vary from image to image, as those of a trained one do."""
    torch.manual_seed(3)
    network = TorchCnn(SIZES, picture(*shape), outputs).eval()
    with torch.no_grad():
        network.head.logit.weight *= 10
    return network, torch.randint(0, 256, (12, *shape), dtype=torch.uint8)


def plain(channels=6):
    return FeatureStatistics(np.zeros(channels, np.float32), np.eye(channels, dtype=np.float32))


def by_autograd(network, images):
    """Grad-CAM as published, with the gradient that PyTorch works out."""
    features = network.features(images).detach().requires_grad_()
    logits = network.head(features)
    logits.gather(1, logits.argmax(dim=1, keepdim=True)).sum().backward()
    weights = features.grad.mean(dim=(2, 3), keepdim=True)
    return torch.relu((features * weights).sum(dim=1)).detach().numpy()


@pytest.mark.parametrize("shape", [(10, 10, 1), (13, 9, 3), (6, 6, 1)])
@pytest.mark.parametrize("outputs", [1, 4])
def test_the_heatmap_is_that_of_an_automatic_gradient(shape, outputs):
    network, images = network_of(shape, outputs)
    meant = by_autograd(network, images)
    found = Inference(network, plain(), 1)(images)[1].detach().numpy()
    assert found.shape == (12, shape[0] - 4, shape[1] - 4)
    assert meant.max() > 1e-3
    assert np.abs(found - meant).max() <= 1e-4 * meant.max()


def test_the_distance_is_that_of_mahalanobis():
    network, images = network_of((10, 10, 1), 1)
    pooled = pooled_features(network, images.numpy(), 4)
    known = feature_statistics(pooled)
    away = pooled.astype(float) - known.mean
    meant = np.einsum("ni,ij,nj->n", away, LedoitWolf().fit(pooled.astype(float)).precision_, away)
    found = Inference(network, known, 1)(images)[2].detach().numpy()
    assert found == pytest.approx(meant, rel=1e-3)


@pytest.mark.parametrize("positive_index", [0, 1])
def test_two_classes_have_two_columns_and_the_positive_one_its_own(positive_index):
    network, images = network_of((10, 10, 1), 1)
    positive = probabilities(network, images.numpy(), 12)[:, 0]
    found = Inference(network, plain(), positive_index)(images)[0].detach().numpy()
    assert found[:, positive_index] == pytest.approx(positive, abs=1e-6)
    assert found.sum(axis=1) == pytest.approx(np.ones(12))


def test_more_classes_have_a_column_each():
    network, images = network_of((10, 10, 1), 4)
    found = Inference(network, plain(), 3)(images)[0].detach().numpy()
    assert found == pytest.approx(probabilities(network, images.numpy(), 12), abs=1e-6)


def test_nothing_is_dropped_when_a_network_in_training_is_explained():
    network, images = network_of((10, 10, 1), 1)
    whole = Inference(network.train(), plain(), 1)
    assert all(torch.equal(a, b) for a, b in zip(whole(images), whole(images), strict=True))
