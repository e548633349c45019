import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from pipelines.errors import DataError
from pipelines.recipe import LabelParams
from pipelines.recipe_sources import NpzSource
from pipelines.sources.npz import find, images

REAL = Path(os.environ.get("FILMGATE_REAL_DATA", "nowhere")) / "pneumoniamnist"
SOURCE = NpzSource(kind="npz", site="medmnist", file="a.npz")
LABELS = LabelParams(names=("normal", "pneumonia"), positive="pneumonia")
COUNTS = {"train": 4, "val": 2, "test": 3}


@pytest.fixture
def arrays(rng):
    """The arrays of an archive, in an order of their own."""
    drawn = {}
    for split in ("test", "val", "train"):
        drawn[f"{split}_labels"] = np.arange(COUNTS[split]).reshape(-1, 1) % 3
        drawn[f"{split}_images"] = rng.integers(0, 256, (COUNTS[split], 7, 5), dtype=np.uint8)
    return drawn


@pytest.fixture
def write(tmp_path, arrays):
    """Writes an archive with changed arrays, None for an absent one, and gives its folder."""

    def write(save=np.savez_compressed, **changes):
        save(tmp_path / "a.npz", **{name: array for name, array in (arrays | changes).items() if array is not None})
        return tmp_path

    return write


def refused(raw):
    with pytest.raises(DataError) as caught:
        find(raw, SOURCE, LABELS)
    assert "a.npz" in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_train_val_and_test_are_numbered_as_one(write):
    found = list(find(write(), SOURCE, LABELS))
    assert [record.index for record in found] == list(range(9))
    assert [record.given_split for record in found] == ["train"] * 4 + ["val"] * 2 + ["test"] * 3
    assert [record.label for record in found[:4]] == ["normal", "pneumonia", None, "normal"]
    assert {(record.path, record.site, record.form) for record in found} == {("a.npz", "medmnist", "npz")}
    assert [record.patient_id for record in found[4:6]] == ["a.npz#4", "a.npz#5"]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("tail", [(), (3,)])
def test_images_are_in_the_order_of_their_records(write, rng, save, tail):
    drawn = {split: rng.integers(0, 256, (count, 7, 5, *tail), dtype=np.uint8) for split, count in COUNTS.items()}
    raw = write(save, **{f"{split}_images": array for split, array in drawn.items()})
    assert np.array_equal(images(raw / "a.npz"), np.concatenate([drawn[split] for split in ("train", "val", "test")]))
    assert len(list(find(raw, SOURCE, LABELS))) == 9


def test_fortran_order_is_read_too(write, arrays):
    turned = np.asfortranarray(arrays["val_images"])
    assert np.array_equal(images(write(val_images=turned) / "a.npz")[4:6], turned)


def test_a_split_may_be_absent_but_not_train(write):
    raw = write(val_images=None, val_labels=None)
    assert [record.given_split for record in find(raw, SOURCE, LABELS)] == ["train"] * 4 + ["test"] * 3
    assert len(images(raw / "a.npz")) == 7
    held = r"It has: test_images, test_labels, train_labels, val_images, val_labels\. Expected MedMNIST's form"
    with pytest.raises(DataError, match=held):
        find(write(train_images=None), SOURCE, LABELS)


def test_labels_may_be_flat(write):
    found = list(find(write(train_labels=np.array([1, 1, 0, 1])), SOURCE, LABELS))
    assert [record.label for record in found[:4]] == ["pneumonia", "pneumonia", "normal", "pneumonia"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"train_labels": np.zeros((4, 14), int)}, "train_labels .* are multi-label, 14 an image. Expected one class"),
        ({"val_images": np.zeros((2, 28, 28, 28), np.uint8)}, ": volumes"),
        ({"val_images": np.zeros((2, 28), np.uint8)}, r"Expected \(images, height, width\)"),
        ({"train_images": np.zeros((4, 7, 5), np.float32)}, "train_images .* are float32. Expected uint8"),
        ({"train_images": np.zeros((0, 7, 5), np.uint8)}, r"shape \(0, 7, 5\)"),
        ({"test_images": np.zeros((3, 7, 6), np.uint8)}, r"shape \(7, 5\) and \(7, 6\). Expected one shape"),
        ({"test_labels": np.zeros(2, int)}, "Expected 3 integers"),
        ({"test_labels": np.zeros(3)}, "float64"),
        ({"test_labels": np.array(3)}, "Expected 3 integers"),
        ({"test_labels": None}, "has test_images but no test_labels"),
        ({"test_labels": np.array([{}, 1, 2], object)}, "allow_pickle"),
        ({"test_images": np.array([{}, 1, 2], object)}, "object"),
    ],
)
def test_another_form_is_named_in_one_sentence(write, changes, says):
    raw = write(**changes)
    with pytest.raises(DataError, match=says):
        find(raw, SOURCE, LABELS)
    refused(raw)


def test_an_archive_that_would_run_code_runs_nothing(write, tmp_path):
    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "ran"),))

    refused(write(train_labels=np.array([Trap()] * 4, object)))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("keep", [0, 3, 100, -30])
def test_a_truncated_archive_is_named(write, keep):
    file = write() / "a.npz"
    file.write_bytes(file.read_bytes()[:keep])
    assert "get it again" in refused(file.parent)


def test_an_array_shorter_than_its_head_says_is_found_without_decompressing_it(write):
    file = write() / "a.npz"
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content[:-1] if name == "val_images.npy" else content)
    assert "val_images" in refused(file.parent)
    with pytest.raises(DataError, match="are 69 bytes. Expected 70"):
        images(file)


def test_a_damaged_array_is_found_by_its_checksum(write, arrays):
    file = write(np.savez) / "a.npz"
    content = bytearray(file.read_bytes())
    content[content.index(arrays["test_images"].tobytes()) + 50] ^= 1
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"Bad CRC.*get it again"):
        images(file)


def test_a_missing_file_is_named(tmp_path):
    assert "There is no file" in refused(tmp_path)


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason="FILMGATE_REAL_DATA names no folder with PneumoniaMNIST")
def test_the_real_archive_is_read():
    source = SOURCE.model_copy(update={"file": "pneumoniamnist.npz"})
    found = list(find(REAL, source, LABELS))
    splits = [record.given_split for record in found]
    assert [splits.count(split) for split in ("train", "val", "test")] == [4084, 524, 624]
    assert {record.label for record in found} == {"normal", "pneumonia"}
    assert images(REAL / "pneumoniamnist.npz").shape == (5232, 28, 28)
