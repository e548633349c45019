"""CIFAR-10 as its publisher packs it (Krizhevsky 2009): five batches for training and one for testing.

A pickled batch is read without running anything of it: what makes up a NumPy array in a pickle is taken for data by two
small classes of this module, and every other name is refused.
"""

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.errors import DataError
from pipelines.manifest import Record
from pipelines.recipe import LabelParams
from pipelines.recipe_sources import CifarSource
from pipelines.sources.idx import records

TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST = "test_batch"
SIDE = 32
PIXELS = 3 * SIDE * SIDE


def find(raw: Path, source: CifarSource, labels: LabelParams) -> Iterator[Record]:
    """Records of all images, batch by batch.

    Raises:
        DataError: a batch is missing or malformed, or asks for more than the making of an array.
    """
    folder = raw / source.folder
    suffix = ".bin" if not (folder / TRAIN[0]).exists() and (folder / f"{TRAIN[0]}.bin").exists() else ""
    names = [f"{name}{suffix}" for name in (*TRAIN, TEST)]
    if absent := [name for name in names if not (folder / name).is_file()]:
        raise DataError(
            f"{folder} has no {absent[0]}. Expected {', '.join(names)}: unpack the publisher's archive there."
        )
    numbers = {name: _batch(folder / name)[1] for name in names}
    return (
        record
        for name in names
        for record in records(
            f"{source.folder}/{name}",
            "cifar",
            source.site,
            labels,
            "test" if name.startswith(TEST) else "train",
            numbers[name],
        )
    )


def images(path: Path) -> np.ndarray:
    """All images of a batch: (count, 32, 32, 3) uint8, RGB; a binary batch is memory-mapped.

    Raises:
        DataError: the batch is missing or malformed, or asks for more than the making of an array.
    """
    planes = _batch(path)[0].reshape(-1, 3, SIDE, SIDE)
    return planes.transpose(0, 2, 3, 1)


def _batch(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (count, 3072) as planes of R, G and B, and label numbers (count,)."""
    if not path.is_file():
        raise DataError(f"There is no batch {path}. Expected one of CIFAR-10.")
    return _binary(path) if path.suffix == ".bin" else _pickled(path)


def _binary(path: Path) -> tuple[np.ndarray, np.ndarray]:
    size = path.stat().st_size
    if size == 0 or size % (PIXELS + 1):
        raise DataError(f"{path} has {size} bytes. Expected {PIXELS + 1} for each image: get it again.")
    rows = np.memmap(path, np.uint8, "r").reshape(-1, PIXELS + 1)
    return rows[:, 1:], rows[:, 0]


def _pickled(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        with path.open("rb") as file:
            batch = _Unpickler(file, encoding="bytes").load()
        pixels, numbers = batch[b"data"].pixels(), batch[b"labels"]
    except _RefusedError as refusal:
        raise DataError(
            f"{path} asks for {refusal}, which no batch of CIFAR-10 needs; nothing of it was run. "
            "Get it from its publisher."
        ) from None
    except Exception:  # a damaged pickle may raise anything
        raise DataError(f"{path} is no whole batch of CIFAR-10. Expected a pickle with data and labels.") from None
    if not isinstance(numbers, list) or not all(type(number) is int for number in numbers):
        raise DataError(f"{path} has labels that are no list of integers. Expected CIFAR-10's batches.")
    if len(numbers) != len(pixels) or not numbers:
        raise DataError(f"{path} has {len(pixels)} images and {len(numbers)} labels. Expected one label an image.")
    return pixels, np.array(numbers)


class _RefusedError(Exception):
    """A pickle asks for a name that the making of an array does not need."""


class _Dtype:
    """Stands for `numpy.dtype` of unsigned bytes."""

    def __init__(self, name: Any, *_: Any) -> None:
        if name not in ("u1", b"u1", "|u1", b"|u1"):
            raise _RefusedError(f"numpy.dtype({name!r})")

    def __setstate__(self, state: Any) -> None:
        """Byte order and the like, which bytes do not have."""


class _Array:
    """Stands for an array: keeps what the pickle says of it."""

    def __init__(self, *_: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def pixels(self) -> np.ndarray:
        """The array (count, 3072) uint8.

        Raises:
            ValueError: it is none of this shape and type.
        """
        _, shape, dtype, fortran, content = self.state
        if not isinstance(dtype, _Dtype) or not isinstance(content, bytes) or shape[1:] != (PIXELS,):
            raise ValueError
        return np.frombuffer(content, np.uint8).reshape(shape, order="F" if fortran else "C")


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Stands for `_codecs.encode`, by which Python 3 writes bytes for Python 2."""
    return text.encode("latin1")


ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): "an array",
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
}


class _Unpickler(pickle.Unpickler):
    """Reads arrays of bytes, lists, dicts, bytes, integers and strings."""

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a name in the pickle."""
        if (module, name) not in ALLOWED:
            raise _RefusedError(f"{module}.{name}")
        return ALLOWED[module, name]
