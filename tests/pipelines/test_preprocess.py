import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipelines.errors import DataError
from pipelines.images import prepare, read
from pipelines.ingest import run as ingest
from pipelines.prepared import read_split
from pipelines.preprocess import run
from pipelines.recipe import AugmentParams, SplitParams

AUGMENT = AugmentParams(rotation=5, shift=0.05, shear=0, zoom=0.1, flip=True, contrast=0.2, brightness=0, noise=0.02)


@pytest.fixture
def inputs(films, source, labels, tmp_path):
    """A manifest of the films, and a quarantine with one of them."""
    ingest(
        films, tmp_path / "manifest.parquet", source, None, labels, SplitParams(train=0.6, val=0.2, test=0.2, seed=1)
    )
    pd.DataFrame({"image_id": ["home/NORMAL/p3-1.png"]}).to_csv(tmp_path / "quarantine.csv")
    return films, tmp_path / "manifest.parquet", tmp_path / "quarantine.csv"


def test_every_usable_image_is_prepared_as_the_service_would(inputs, tmp_path, labels, small_image):
    run(*inputs, prepared := tmp_path / "prepared", labels, small_image, AUGMENT)
    seen = []
    for split in ("train", "val", "test"):
        pixels, rows = read_split(prepared, split)
        assert isinstance(pixels, np.memmap)
        assert pixels.dtype == np.uint8
        for picture, path, target, label in zip(pixels, rows["path"], rows["target"], rows["label"], strict=True):
            assert np.array_equal(picture, prepare(read((inputs[0] / path).read_bytes()), small_image))
            assert labels.names[target] == label
        seen += list(rows["image_id"])
    assert len(seen) == 39
    assert "home/NORMAL/p3-1.png" not in seen


def test_the_contact_sheet_shows_each_change_at_both_ends(inputs, tmp_path, labels, small_image):
    run(*inputs, prepared := tmp_path / "prepared", labels, small_image, AUGMENT)
    columns = 1 + 2 * len(("rotation", "shift", "zoom", "contrast")) + len(("flip", "noise"))
    with Image.open(prepared / "augmentation.png") as sheet:
        assert sheet.width > columns * 128
        assert sheet.height > 4 * 128


def test_without_a_quarantine_nothing_is_prepared(inputs, tmp_path, labels, small_image):
    inputs[2].unlink()
    with pytest.raises(DataError, match="Run the validate stage first"):
        run(*inputs, tmp_path / "prepared", labels, small_image, AUGMENT)
    assert not list(tmp_path.glob("prepared*"))


def test_a_split_that_was_not_prepared_is_named(tmp_path):
    with pytest.raises(DataError, match="no prepared split 'val'"):
        read_split(tmp_path, "val")
