"""Pictures and folders that tests share, drawn in milliseconds."""

import numpy as np
import pytest
from PIL import Image

from pipelines.recipe import ImageParams, LabelParams, SourceParams


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def labels():
    return LabelParams(names=("NORMAL", "PNEUMONIA"), positive="PNEUMONIA")


@pytest.fixture
def source():
    """A source of class folders whose file names begin with the patient, as `p7-1.png`."""
    return SourceParams(kind="folder", folder="home", site="home", patient=r"^(p\d+)-", table=None)


@pytest.fixture
def small_image():
    return ImageParams(height=16, width=16, channels=1, fit="stretch")


@pytest.fixture
def films(tmp_path, rng):
    """A raw data set with ten patients of each class, two films each, all of them different."""
    raw = tmp_path / "raw"
    for first, label in ((0, "NORMAL"), (100, "PNEUMONIA")):
        folder = raw / "home" / label
        folder.mkdir(parents=True)
        for number in range(20):
            pixels = rng.integers(0, 256, (80, 72), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"p{first + number // 2}-{number % 2}.png")
    return raw
