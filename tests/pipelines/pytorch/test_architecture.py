import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch: make torch")

from pipelines.architecture.formulas import totals  # noqa: E402
from pipelines.pytorch.architecture import described, feature_maps, first_filters  # noqa: E402
from pipelines.pytorch.network import TorchCnn  # noqa: E402
from pipelines.recipe import ImageParams  # noqa: E402
from pipelines.recipe_models import TorchCnn as Sizes  # noqa: E402

SIZES = Sizes(
    name="torch-cnn", filters=(32, 64), dense=128, dropout=0.25, dense_dropout=0.5, mean=0.1307, deviation=0.3081
)
IMAGE = np.random.default_rng(0).integers(0, 256, (28, 28, 1), dtype=np.uint8)


@pytest.fixture
def network():
    return TorchCnn(SIZES, ImageParams(height=28, width=28, channels=1, levels="stored", fit="pad"), 10)


def test_the_formulas_give_what_pytorch_made_of_every_layer(network):
    rows = described(network, IMAGE)
    assert all(row.agrees for row in rows)
    sizes = [row.size_by_formula for row in rows if row.kind != "elementwise"]
    assert sizes == [(26, 26, 32), (24, 24, 64), (12, 12, 64), (9216,), (128,), (10,)]
    told = totals(rows)
    assert (told["depth"], told["parameters"]) == (4, 1_199_882)
    assert told["multiply_adds"] == 26**2 * 288 + 24**2 * 18432 + 9216 * 128 + 1280


def test_filters_and_maps_have_channels_last(network):
    assert first_filters(network).shape == (32, 3, 3, 1)
    assert {name: maps.shape for name, maps in feature_maps(network, IMAGE).items()} == {
        "body.0": (26, 26, 32),
        "body.2": (24, 24, 64),
    }


def test_padding_groups_and_normalisation_follow_the_formulas_too():
    network = torch.nn.Sequential(
        torch.nn.ZeroPad2d((0, 1, 0, 1)),
        torch.nn.Conv2d(4, 8, 7, stride=2, padding=3, groups=2, bias=False),
        torch.nn.BatchNorm2d(8),
        torch.nn.MaxPool2d(3, stride=2, padding=1),
        torch.nn.Conv2d(8, 8, 3, dilation=2, groups=8),
    )
    rows = described(Channels(network), np.zeros((28, 28, 4), dtype=np.uint8))
    assert [(row.name, row.size_by_formula, row.size) for row in rows if not row.agrees] == []
    assert [row.parameters_by_formula for row in rows] == [0, 7 * 7 * 2 * 8, 32, 0, 9 * 8 + 8]
    assert [row.padding for row in rows] == ["1 x 1 in all", "3", "", "1", "valid"]
    assert [row.receptive_field for row in rows] == [1, 7, 7, 11, 27]


class Channels(torch.nn.Module):
    """Takes images with the channels last, as every network here does."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        return self.network(images.float().permute(0, 3, 1, 2))
