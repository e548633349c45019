import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed: make torch")

import torch

from pipelines.errors import ModelError
from pipelines.pytorch.network import TorchCnn, probability
from tests.pipelines.pytorch.patches import AS_PUBLISHED, SIZES, picture


def grey(count, height, width, channels):
    return torch.randint(0, 256, (count, height, width, channels), dtype=torch.uint8)


def test_the_published_network_has_the_published_number_of_weights():
    network = TorchCnn(AS_PUBLISHED, picture(28, 28), 10)
    counts = [weight.numel() for weight in network.parameters()]
    assert counts == [32 * 9, 32, 64 * 32 * 9, 64, 128 * 64 * 144, 128, 10 * 128, 10]
    assert sum(counts) == 1_199_882


@pytest.mark.parametrize(("height", "width", "channels", "outputs"), [(6, 6, 1, 1), (9, 12, 3, 1), (28, 17, 1, 10)])
def test_any_size_channels_and_classes_give_one_row_of_logits_an_image(height, width, channels, outputs):
    network = TorchCnn(SIZES, picture(height, width, channels), outputs)
    images = grey(3, height, width, channels)
    assert network(images).shape == (3, outputs)
    assert network.features(images).shape == (3, 6, height - 4, width - 4)


def test_the_last_feature_map_is_the_activated_second_convolution():
    network = TorchCnn(SIZES, picture(), 1)
    features = network.features(grey(5, 10, 10, 1))
    assert (features == 0).any()
    assert (features >= 0).all()
    assert torch.equal(network.eval()(images := grey(5, 10, 10, 1)), network.head(network.features(images)))


def test_grey_levels_are_scaled_and_normalised_inside():
    network = TorchCnn(SIZES, picture(), 1)
    network.body = torch.nn.Identity()
    levels = torch.tensor([0, 255], dtype=torch.uint8).reshape(2, 1, 1, 1)
    normal = network.features(levels).flatten().numpy()
    assert normal == pytest.approx([(0 - 0.1307) / 0.3081, (1 - 0.1307) / 0.3081], rel=1e-5)


def test_channels_lie_last_in_an_image_and_each_keeps_its_place():
    network = TorchCnn(SIZES, picture(channels=3), 1)
    network.body = torch.nn.Identity()
    images = grey(1, 10, 10, 3)
    planes = network.features(images)[0].argsort(dim=0, stable=True)
    assert torch.equal(planes, images[0].permute(2, 0, 1).argsort(dim=0, stable=True))


def test_probabilities_are_of_the_positive_class_or_of_every_class():
    one, many = probability(torch.tensor([[0.0], [2.0]])), probability(torch.tensor([[1.0, 2.0, 3.0]]))
    assert one[:, 0].numpy() == pytest.approx([0.5, 1 / (1 + np.exp(-2))])
    assert many.sum().item() == pytest.approx(1)
    assert many.argmax().item() == 2


def test_an_image_that_is_too_small_is_refused_in_one_sentence():
    with pytest.raises(ModelError, match="images of 5 x 40 pixels. Expected 6 or more on each side"):
        TorchCnn(SIZES, picture(5, 40), 1)
