"""idx files, as MNIST has them: four bytes that say what follows, the dimensions, then the numbers in C order."""

import gzip
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from pipelines.errors import DataError
from pipelines.manifest import Form, Record
from pipelines.recipe import LabelParams
from pipelines.recipe_sources import ArrayFiles, IdxSource
from pipelines.section import Split

GZIP = b"\x1f\x8b"
BYTES = b"\x00\x00\x08"  # of unsigned bytes; the fourth byte is the number of dimensions
ORDER: tuple[Split, ...] = ("train", "val", "test")


def find(raw: Path, source: IdxSource, labels: LabelParams) -> Iterator[Record]:
    """Records of all images, split by split and in the order of their file.

    Raises:
        DataError: a file is missing or malformed, or images and labels differ in number.
    """
    if not source.files:
        raise DataError("source.files names no split. Expected the images and labels of train, val or test.")
    known = [(split, source.files[split]) for split in ORDER if split in source.files]
    numbers = {split: _numbers(raw, files) for split, files in known}
    return (
        record
        for split, files in known
        for record in records(files.images, "idx", source.site, labels, split, numbers[split])
    )


def images(path: Path) -> np.ndarray:
    """All images of a file: (count, height, width) uint8, memory-mapped if the file is not gzipped.

    Raises:
        DataError: the file is missing or malformed.
    """
    return _array(path, dimensions=3)


def records(
    path: str,
    form: Form,
    site: str,
    labels: LabelParams,
    split: str,
    numbers: Sequence[int] | np.ndarray,
    first: int = 0,
) -> Iterator[Record]:
    """Records of images in one file, the first of them at place `first`; every image is a patient.

    Args:
        numbers: of their labels; a number that names no label gives none.
    """
    names = dict(enumerate(labels.names))
    for index, number in enumerate(numbers, first):
        label = names.get(int(number))
        yield Record(path, label, f"{path}#{index}", site, index=index, form=form, given_split=split)


def _numbers(raw: Path, files: ArrayFiles) -> np.ndarray:
    """The label number of each image."""
    numbers, count = _array(raw / files.labels, dimensions=1), len(images(raw / files.images))
    if len(numbers) != count:
        raise DataError(
            f"{files.images} has {count} images, and {files.labels} {len(numbers)} labels. "
            "Expected one label an image: take the files that belong together."
        )
    return numbers


def _array(path: Path, dimensions: int) -> np.ndarray:
    """The array of a file, verified to be whole."""
    content = _content(path)
    head = 4 + 4 * dimensions
    if content[:4].tobytes() != BYTES + bytes([dimensions]):
        found = content[:4].tobytes().hex(" ") or "nothing"
        expected = (BYTES + bytes([dimensions])).hex(" ")
        raise DataError(
            f"{path} begins with {found}. Expected {expected}: an idx file of bytes in {dimensions} dimensions."
        )
    shape = [int(length) for length in np.frombuffer(content[4:head].tobytes().ljust(head - 4, b"\0"), ">u4")]
    size = int(np.prod(shape, dtype=object))
    if size == 0 or len(content) != head + size:
        raise DataError(
            f"{path} holds {max(len(content) - head, 0)} bytes for {' x '.join(map(str, shape))}. "
            f"Expected {size or 'some'}: get the file again."
        )
    return content[head:].reshape(shape)


def _content(path: Path) -> np.ndarray:
    """The bytes of a file, unpacked."""
    if not path.is_file():
        raise DataError(f"There is no file {path}. Expected an idx file there.")
    with path.open("rb") as file:
        start = file.read(2)
    if not start:
        raise DataError(f"{path} is empty. Expected an idx file: get it again.")
    if start != GZIP:
        return np.memmap(path, np.uint8, "r")
    try:
        return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be unpacked ({error}). Expected a whole gzip file: get it again.") from None
