import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from pipelines.errors import DataError
from pipelines.recipe import LabelParams
from pipelines.recipe_sources import ArrayFiles, IdxSource
from pipelines.sources.idx import find, images

REAL = Path(os.environ.get("FILMGATE_REAL_DATA", "nowhere")) / "mnist"
LABELS = LabelParams(names=("zero", "one", "two"), positive=None)


def packed(array):
    head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return head + array.astype(np.uint8).tobytes()


def both(split):
    return ArrayFiles(images=f"{split}-images", labels=f"{split}-labels")


@pytest.fixture
def digits(tmp_path, rng):
    """The raw data set, and its images by split."""
    arrays = {}
    for split, count in (("test", 3), ("train", 5)):
        arrays[split] = rng.integers(0, 256, (count, 6, 4), dtype=np.uint8)
        (tmp_path / f"{split}-images").write_bytes(packed(arrays[split]))
        (tmp_path / f"{split}-labels").write_bytes(packed(np.arange(count)))
    return tmp_path, arrays


@pytest.fixture
def source():
    return IdxSource(kind="idx", site="nist", files={"test": both("test"), "train": both("train")})


def test_every_image_has_a_record_in_the_order_of_its_split_and_file(digits, source):
    found = list(find(digits[0], source, LABELS))
    assert [(record.path, record.index) for record in found] == [
        *(("train-images", index) for index in range(5)),
        *(("test-images", index) for index in range(3)),
    ]
    assert [record.given_split for record in found] == ["train"] * 5 + ["test"] * 3
    assert [record.label for record in found] == ["zero", "one", "two", None, None, "zero", "one", "two"]
    assert {(record.site, record.form, record.fault) for record in found} == {("nist", "idx", None)}
    assert [record.patient_id for record in found[:2]] == ["train-images#0", "train-images#1"]
    assert len({record.patient_id for record in found}) == 8


def test_images_are_mapped_not_copied(digits):
    raw, arrays = digits
    found = images(raw / "train-images")
    assert isinstance(found.base, np.memmap)
    assert np.array_equal(found, arrays["train"])


def test_a_gzipped_file_is_known_by_its_beginning_not_by_its_name(digits, source):
    raw, arrays = digits
    for file in raw.iterdir():
        file.write_bytes(gzip.compress(file.read_bytes()))
    assert np.array_equal(images(raw / "test-images"), arrays["test"])
    assert len(list(find(raw, source, LABELS))) == 8


def test_images_and_labels_must_agree_in_number(digits, source):
    raw, _ = digits
    (raw / "train-labels").write_bytes(packed(np.arange(4)))
    with pytest.raises(DataError, match="train-images has 5 images, and train-labels 4 labels"):
        find(raw, source, LABELS)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda content: b"", "is empty"),
        (lambda content: b"\x00\x00", "begins with 00 00. Expected 00 00 08 03"),
        (lambda content: b"hello", "begins with 68 65 6c 6c"),
        (lambda content: b"\x00\x00\x0d" + content[3:], "begins with 00 00 0d 03"),
        (lambda content: content[:9], r"holds 0 bytes for 5 x 0 x 0"),
        (lambda content: content[:-1], r"holds 119 bytes for 5 x 6 x 4\. Expected 120"),
        (lambda content: content + b"\x00", "holds 121 bytes"),
        (lambda content: content[:4] + b"\xff" * 12 + content[16:], "holds 120 bytes for 4294967295 x"),
        (lambda content: content[:4] + bytes(12), "holds 0 bytes for 0 x 0 x 0. Expected some"),
        (lambda content: gzip.compress(content)[:-12], "cannot be unpacked"),
        (lambda content: gzip.compress(content)[:5], "cannot be unpacked"),
        (lambda content: gzip.compress(content)[:-8] + bytes(8), "cannot be unpacked"),
        (lambda content: gzip.compress(content)[:12] + b"\xff\xff" + gzip.compress(content)[14:], "cannot be unpacked"),
        (lambda content: gzip.compress(content[:-1]), "holds 119 bytes"),
    ],
)
def test_a_malformed_file_is_named_in_one_sentence(digits, source, change, says):
    raw, _ = digits
    file = raw / "train-images"
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(DataError, match=says) as caught:
        find(raw, source, LABELS)
    assert "train-images" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_labels_are_no_images(digits, source):
    raw, _ = digits
    (raw / "train-images").write_bytes((raw / "train-labels").read_bytes())
    with pytest.raises(DataError, match="an idx file of bytes in 3 dimensions"):
        find(raw, source, LABELS)


def test_a_missing_file_is_named(digits, source):
    (digits[0] / "test-labels").unlink()
    with pytest.raises(DataError, match=r"There is no file .*test-labels"):
        find(digits[0], source, LABELS)


def test_a_source_without_files_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"source\.files names no split"):
        find(tmp_path, IdxSource(kind="idx", site="nist", files={}), LABELS)


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason="FILMGATE_REAL_DATA names no folder with the digits")
def test_the_real_digits_are_all_there():
    files = {
        split: ArrayFiles(images=f"{name}-images-idx3-ubyte.gz", labels=f"{name}-labels-idx1-ubyte.gz")
        for split, name in (("train", "train"), ("test", "t10k"))
    }
    labels = LabelParams(names=tuple("0123456789"), positive=None)
    found = list(find(REAL, IdxSource(kind="idx", site="nist", files=files), labels))
    assert [record.label for record in found[:5]] == ["5", "0", "4", "1", "9"]
    assert [record.given_split for record in found].count("test") == 10_000
    assert len(found) == 70_000
    assert images(REAL / files["train"].images).shape == (60_000, 28, 28)
