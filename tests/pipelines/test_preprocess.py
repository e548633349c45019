import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipelines import images, preprocess
from pipelines.errors import DataError
from pipelines.ingest import run as ingest
from pipelines.prepared import read_split
from pipelines.recipe import AlikeParams, AugmentParams, SplitParams

AUGMENT = AugmentParams(rotation=5, shift=0.05, shear=0, zoom=0.1, flip=True, contrast=0.2, brightness=0, noise=0.02)
SPLIT = SplitParams(keep=(), train=60, val=20, test=20, seed=1)
ALIKE = AlikeParams(hash_bits=4, correlation=0.995)


@pytest.fixture
def prepare(films, source, labels, small_image, tmp_path):
    """Ingest and prepare the films, but for one in the quarantine."""

    def run(image=small_image, augment=AUGMENT, aside="home/NORMAL/p3-1.png"):
        manifest, quarantine = tmp_path / "manifest.parquet", tmp_path / "quarantine.csv"
        ingest(films, manifest, tmp_path / "cache", source, None, labels, SPLIT, ALIKE)
        if aside:
            pd.DataFrame({"image_id": [aside]}).to_csv(quarantine)
        prepared = tmp_path / "prepared"
        preprocess.run(films, manifest, quarantine, tmp_path / "cache", prepared, labels, image, augment)
        return prepared

    return run


@pytest.fixture
def decoded(monkeypatch):
    """Paths of the images that were decoded."""
    paths = []

    def note(raw, place, at_least=None, opened=preprocess.open_picture):
        paths.append(place.path)
        return opened(raw, place, at_least)

    monkeypatch.setattr(preprocess, "open_picture", note)
    return paths


def everything(prepared):
    return {file.name: file.read_bytes() for file in prepared.iterdir()}


def test_every_usable_image_is_prepared_as_the_service_would(films, prepare, labels, small_image):
    prepared, seen = prepare(), []
    for split in ("train", "val", "test"):
        pixels, rows = read_split(prepared, split)
        assert isinstance(pixels, np.memmap)
        assert pixels.dtype == np.uint8
        for picture, path, target, label in zip(pixels, rows["path"], rows["target"], rows["label"], strict=True):
            assert np.array_equal(picture, images.prepare(images.read((films / path).read_bytes()), small_image))
            assert labels.names[target] == label
        seen += list(rows["image_id"])
    assert len(seen) == 39
    assert "home/NORMAL/p3-1.png" not in seen


def test_what_cannot_be_read_is_left_out_even_where_no_check_puts_it_aside(films, prepare):
    (films / "home" / "NORMAL" / "p0-0.png").write_text("no picture")
    rows = pd.concat([pd.read_parquet(file) for file in prepare().glob("*.parquet")])
    assert len(rows) == 38


def test_only_new_images_are_decoded_and_the_result_is_the_same(films, prepare, decoded, tmp_path):
    prepare()
    decoded.clear()
    Image.effect_noise((64, 64), 50).save(films / "home" / "NORMAL" / "p98-0.png")
    again = everything(prepare())
    assert decoded == ["home/NORMAL/p98-0.png"]
    for file in (tmp_path / "cache" / "prepared").iterdir():
        file.unlink()
    assert everything(prepare()) == again
    assert len(decoded) == 41


def test_a_cluster_gives_the_same_bytes(prepare, tmp_path, monkeypatch, cluster_address):
    here = everything(prepare())
    for file in (tmp_path / "cache").rglob("*.*"):
        file.unlink()
    monkeypatch.setenv("FILMGATE_DASK", cluster_address)
    assert everything(prepare()) == here


def test_another_size_prepares_everything_anew(prepare, decoded, small_image):
    prepare()
    prepare(image=small_image.model_copy(update={"height": 20}))
    assert len(decoded) == 2 * 39


def test_other_augmentation_decodes_nothing_but_draws_a_new_sheet(prepare, decoded):
    first = everything(prepare())
    second = everything(prepare(augment=AUGMENT.model_copy(update={"rotation": 9.0})))
    assert len(decoded) == 39
    assert {name for name in first if first[name] != second[name]} == {"augmentation.png"}


def test_the_contact_sheet_shows_each_change_at_both_ends(prepare):
    columns = 1 + 2 * len(("rotation", "shift", "zoom", "contrast")) + len(("flip", "noise"))
    with Image.open(prepare() / "augmentation.png") as sheet:
        assert sheet.width > columns * 128
        assert sheet.height > 4 * 128


def test_without_a_quarantine_nothing_is_prepared(prepare, tmp_path):
    with pytest.raises(DataError, match="Run the validate stage first"):
        prepare(aside=None)
    assert not list(tmp_path.glob("prepared*"))


def test_a_split_that_was_not_prepared_is_named(tmp_path):
    with pytest.raises(DataError, match="no prepared split 'val'"):
        read_split(tmp_path, "val")
