import os
import pickle
import struct
from typing import ClassVar

import numpy as np
import pytest

from pipelines.errors import DataError
from pipelines.recipe import LabelParams
from pipelines.recipe_sources import CifarSource
from pipelines.sources.cifar import find, images

NAMES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
SOURCE = CifarSource(kind="cifar", folder="cifar-10-batches-py", site="cifar10")
LABELS = LabelParams(names=("airplane", "automobile", "bird"), positive=None)


class Python2Pickler(pickle._Pickler):
    """Writes what Python 2 wrote: bytes as its strings, NumPy under its old name."""

    def save_bytes(self, text):
        short = len(text) < 256
        self.write((b"U" + bytes([len(text)]) if short else b"T" + struct.pack("<i", len(text))) + text)
        self.memoize(text)

    dispatch: ClassVar = {**pickle._Pickler.dispatch, bytes: save_bytes}


def python2(batch, path):
    with path.open("wb") as file:
        Python2Pickler(file, 2).dump(batch)
    path.write_bytes(path.read_bytes().replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))


def python3(protocol):
    return lambda batch, path: path.write_bytes(pickle.dumps(batch, protocol))


def binary(batch, path):
    rows = np.column_stack([np.array(batch[b"labels"], np.uint8), batch[b"data"]])
    path.with_suffix(".bin").write_bytes(rows.tobytes())


WRITERS = {"python 2": python2, "python 3": python3(2), "later": python3(4), "binary": binary}


@pytest.fixture
def batches(rng):
    """The batches by name, two images each."""
    return {
        name: {
            b"batch_label": b"training batch",
            b"labels": [place % 3, 7],
            b"data": rng.integers(0, 256, (2, 3072), dtype=np.uint8),
            b"filenames": [b"a.png", b"b.png"],
        }
        for place, name in enumerate(NAMES)
    }


@pytest.fixture
def folder(tmp_path):
    (tmp_path / SOURCE.folder).mkdir()
    return tmp_path / SOURCE.folder


@pytest.fixture
def written(batches, folder):
    """The folder with batches in Python 2's pickles."""
    for name, batch in batches.items():
        python2(batch, folder / name)
    return folder


@pytest.mark.parametrize("form", WRITERS)
def test_every_form_gives_the_same_images_and_records(batches, folder, form):
    for name, batch in batches.items():
        WRITERS[form](batch, folder / name)
    suffix = ".bin" if form == "binary" else ""
    found = list(find(folder.parent, SOURCE, LABELS))
    assert [(record.path, record.index) for record in found] == [
        (f"cifar-10-batches-py/{name}{suffix}", index) for name in NAMES for index in range(2)
    ]
    assert [record.label for record in found[:4]] == ["airplane", None, "automobile", None]
    assert [record.given_split for record in found] == ["train"] * 10 + ["test"] * 2
    assert {(record.site, record.form) for record in found} == {("cifar10", "cifar")}
    assert found[3].patient_id == f"{found[3].path}#1"
    pixels = images(folder / f"data_batch_3{suffix}")
    assert (pixels.shape, pixels.dtype) == ((2, 32, 32, 3), np.uint8)
    rows = batches["data_batch_3"][b"data"]
    assert pixels[1, 4, 9].tolist() == [rows[1, plane * 1024 + 4 * 32 + 9] for plane in range(3)]


def test_python_2_s_pickles_are_what_this_test_writes(written):
    content = (written / "test_batch").read_bytes()
    assert content.startswith(b"\x80\x02}")
    assert b"cnumpy.core.multiarray\n_reconstruct" in content
    assert b"_codecs" not in content


def test_images_are_not_copied(written):
    assert not images(written / "test_batch").flags.owndata
    assert not images(written / "test_batch").flags.writeable


@pytest.mark.parametrize("name", ["data_batch_1", "data_batch_4", "test_batch"])
def test_a_missing_batch_is_named(written, name):
    (written / name).unlink()
    with pytest.raises(DataError, match=rf"has no {name}\. Expected data_batch_1, "):
        find(written.parent, SOURCE, LABELS)


def reduced(function, *arguments):
    class Trap:
        def __reduce__(self):
            return function, arguments

    return Trap()


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize(
    "trap",
    [
        lambda place: reduced(os.mkdir, place),
        lambda place: reduced(os.system, f"mkdir {place}"),
        lambda place: reduced(eval, f"__import__('os').mkdir({place!r})"),
        lambda place: reduced(__import__, "os"),
        lambda place: np.array([reduced(os.mkdir, place)], dtype=object),
    ],
)
def test_a_pickle_that_would_run_code_runs_nothing(written, tmp_path, trap, protocol):
    place = str(tmp_path / "ran")
    content = pickle.dumps({b"labels": [0], b"data": trap(place)}, protocol)
    (written / "data_batch_2").write_bytes(content)
    with pytest.raises(DataError, match=r"data_batch_2 asks for .*nothing of it was run"):
        find(written.parent, SOURCE, LABELS)
    with pytest.raises(DataError, match="asks for"):
        images(written / "data_batch_2")
    assert not (tmp_path / "ran").exists()


def test_such_a_pickle_does_run_where_it_is_let(tmp_path):
    pickle.loads(pickle.dumps(reduced(os.mkdir, str(tmp_path / "ran"))))
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("asked", [b"cos\nsystem\n.", b"cnumpy\nload\n.", b"cbuiltins\neval\n.", b"cnumpy.core\nx\n."])
def test_what_was_asked_for_is_named(written, asked):
    (written / "test_batch").write_bytes(asked)
    name = asked[1:-2].decode().replace("\n", ".")
    with pytest.raises(DataError, match=rf"test_batch asks for {name}, which no batch"):
        images(written / "test_batch")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({b"data": np.zeros((2, 3071), np.uint8)}, "is no whole batch"),
        ({b"data": np.zeros((2, 3072), np.int64)}, r"asks for numpy\.dtype"),
        ({b"data": b"0" * 6144}, "is no whole batch"),
        ({b"data": np.zeros((3, 3072), np.uint8)}, "has 3 images and 2 labels"),
        ({b"labels": [0, "x"]}, "no list of integers"),
        ({b"labels": [0, True]}, "no list of integers"),
        ({b"labels": 7}, "no list of integers"),
    ],
)
def test_another_batch_is_named_in_one_sentence(written, batches, change, says):
    python2(batches["data_batch_1"] | change, written / "data_batch_1")
    with pytest.raises(DataError, match=says) as caught:
        find(written.parent, SOURCE, LABELS)
    assert "data_batch_1" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\x80\x02}.", b"text", b"\x80\x02]q\x00.", b"N.", b"\x80\x05\x95\xff"])
def test_what_is_no_batch_is_named(written, content):
    (written / "test_batch").write_bytes(content)
    with pytest.raises(DataError, match="test_batch is no whole batch of CIFAR-10"):
        images(written / "test_batch")


@pytest.mark.parametrize("keep", [10, 300, 3000, -1])
def test_a_truncated_pickle_is_named(written, keep):
    file = written / "data_batch_5"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(DataError, match="data_batch_5 is no whole batch"):
        find(written.parent, SOURCE, LABELS)


@pytest.mark.parametrize("keep", [0, 3072, 6145])
def test_a_truncated_binary_batch_is_named(batches, folder, keep):
    for name, batch in batches.items():
        binary(batch, folder / name)
    file = folder / "test_batch.bin"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(DataError, match=rf"test_batch\.bin has {keep} bytes\. Expected 3073 for each image"):
        find(folder.parent, SOURCE, LABELS)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="There is no batch"):
        images(tmp_path / "data_batch_1")
