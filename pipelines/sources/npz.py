"""A NumPy archive in MedMNIST's form: `train_images`, `train_labels`, and the same of val and test.

Yang et al. 2023, 10.1038/s41597-022-01721-8.
"""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.lib import format as npy

from pipelines.errors import DataError
from pipelines.manifest import Record
from pipelines.recipe import LabelParams
from pipelines.recipe_sources import NpzSource
from pipelines.sources.idx import ORDER, records


class _Head(NamedTuple):
    """What the head of an array says."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype


def find(raw: Path, source: NpzSource, labels: LabelParams) -> Iterator[Record]:
    """Records of all images: those of train, then val, then test, numbered as one; pixels are not decompressed.

    Raises:
        DataError: the file is missing, malformed, or of another form.
    """
    path = raw / source.file
    with _archive(path) as archive:
        heads = _heads(archive, path)
        numbers = {split: _numbers(archive, split, head, path) for split, head in heads.items()}
    first = {split: sum(len(numbers[other]) for other in list(numbers)[:place]) for place, split in enumerate(numbers)}
    return (
        record
        for split in numbers
        for record in records(source.file, "npz", source.site, labels, split, numbers[split], first[split])
    )


def images(path: Path) -> np.ndarray:
    """All images of train, val and test, in this order: (count, height, width) or (count, height, width, 3) uint8.

    Raises:
        DataError: the file is missing, malformed, or of another form.
    """
    with _archive(path) as archive:
        heads = _heads(archive, path)
        joined = np.empty((sum(head.shape[0] for head in heads.values()), *heads["train"].shape[1:]), np.uint8)
        start = 0
        for split, head in heads.items():
            end = start + head.shape[0]
            _fill(joined[start:end], archive, f"{split}_images.npy", head)
            start = end
    return joined


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    if not path.is_file():
        raise DataError(f"There is no file {path}. Expected a NumPy archive there.")
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (OSError, EOFError, ValueError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path} cannot be read ({reason}). Expected a whole NumPy archive: get it again.") from None


def _heads(archive: zipfile.ZipFile, path: Path) -> dict[str, _Head]:
    """What each split's images are, in order; absent splits are not there."""
    names = set(archive.namelist())
    if "train_images.npy" not in names:
        held = ", ".join(sorted(name.removesuffix(".npy") for name in names)) or "nothing"
        raise DataError(f"{path} has no train_images. It has: {held}. Expected MedMNIST's form.")
    heads: dict[str, _Head] = {}
    for split in (split for split in ORDER if f"{split}_images.npy" in names):
        with archive.open(f"{split}_images.npy") as file:
            heads[split] = _head(file)
            size = archive.getinfo(f"{split}_images.npy").file_size - file.tell()
        _check(heads[split], size, f"{split}_images of {path}")
    if shapes := {head.shape[1:] for head in heads.values()} - {heads["train"].shape[1:]}:
        raise DataError(
            f"{path} has images of shape {heads['train'].shape[1:]} and {shapes.pop()}. Expected one shape."
        )
    return heads


def _head(file: IO[bytes]) -> _Head:
    """Read the head of an array; the file then stands at its numbers."""
    version = npy.read_magic(file)
    if version == (1, 0):
        return _Head(*npy.read_array_header_1_0(file))
    if version == (2, 0):
        return _Head(*npy.read_array_header_2_0(file))
    raise ValueError(f"an array of format {version[0]}.{version[1]}")


def _check(head: _Head, size: int, what: str) -> None:
    if head.dtype != np.uint8:
        raise DataError(f"{what} are {head.dtype}. Expected uint8.")
    if len(head.shape) > 3 and head.shape[3:] != (3,):
        raise DataError(f"{what} have shape {head.shape}: volumes. Expected pictures, grey or RGB.")
    if len(head.shape) < 3 or 0 in head.shape:
        raise DataError(f"{what} have shape {head.shape}. Expected (images, height, width), or (..., 3) for RGB.")
    if size != prod(head.shape):
        raise DataError(f"{what} are {size} bytes. Expected {prod(head.shape)} for {head.shape}: get the file again.")


def _numbers(archive: zipfile.ZipFile, split: str, head: _Head, path: Path) -> np.ndarray:
    """The label number of each image of a split."""
    name, count = f"{split}_labels", head.shape[0]
    if f"{name}.npy" not in archive.namelist():
        raise DataError(f"{path} has {split}_images but no {name}. Expected both.")
    with archive.open(f"{name}.npy") as file:
        numbers = npy.read_array(file, allow_pickle=False)
    if numbers.ndim == 2 and numbers.shape[1] > 1:
        raise DataError(f"{name} of {path} are multi-label, {numbers.shape[1]} an image. Expected one class an image.")
    if numbers.dtype.kind not in "iu" or numbers.shape not in ((count,), (count, 1)):
        raise DataError(
            f"{name} of {path} are {numbers.dtype} {numbers.shape}. Expected {count} integers, one an image."
        )
    return numbers.reshape(-1)


def _fill(place: np.ndarray, archive: zipfile.ZipFile, name: str, head: _Head) -> None:
    """Decompress an array into its place, to the end of the file, where its checksum is."""
    with archive.open(name) as file:
        if head.fortran:
            place[:] = npy.read_array(file, allow_pickle=False)
            return
        _head(file)
        numbers, start = place.reshape(-1).data, 0
        while chunk := file.read(1 << 20):
            numbers[start : start + len(chunk)] = chunk
            start += len(chunk)
