"""Reading a PyTorch state dict without PyTorch, and without running what is pickled in it.

A state dict is a pickle that tells of tensors, beside their raw numbers: since PyTorch 1.6 as entries of a zip archive,
before it one behind the other in one file. Unpickling gives nothing but names, numbers and tuples that describe
a tensor; what else the pickle asks for is refused, and the descriptions are checked before an array is made of one.
"""

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from pipelines.errors import ModelError

LARGEST_FILE = 4 << 30  # bytes
LARGEST_PICKLE = 64 << 20  # bytes; the tensors' numbers are not part of it
ARCHIVE = b"PK\x03\x04"
MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
DTYPES: dict[str, np.dtype] = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}
FAULTS = (
    *(pickle.UnpicklingError, zipfile.BadZipFile, EOFError, OSError, MemoryError, RecursionError, NotImplementedError),
    *(ArithmeticError, ValueError, TypeError, LookupError, AttributeError),
)


class Storage(NamedTuple):
    """A run of `length` numbers of one kind, which tensors are laid over."""

    kind: str
    key: str
    length: int


class Layout(NamedTuple):
    """A tensor: element (i, j, ...) stands in its storage at offset + i stride[0] + j stride[1] + ..."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


def read_state_dict(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a state dict by name, each in memory of its own.

    Raises:
        ModelError: the file is missing, too large, damaged, or asks for something that no state dict needs.
    """
    if not path.is_file():
        raise ModelError(f"There is no file {path}. Expected a PyTorch state dict: correct model.weights.")
    if path.stat().st_size > LARGEST_FILE:
        raise ModelError(f"{path} is larger than {LARGEST_FILE >> 30} GiB. Expected the state dict of one network.")
    try:
        with path.open("rb") as file:
            archived = file.read(len(ARCHIVE)) == ARCHIVE
            file.seek(0)
            told, numbers = _from_archive(file) if archived else _from_stream(file)
        return {name: _laid_out(layout, numbers[layout.storage.key]) for name, layout in _tensors(told).items()}
    except FAULTS as error:
        raise ModelError(
            f"{path} cannot be read as a PyTorch state dict ({error}). "
            "Expected what torch.save(network.state_dict(), path) writes: correct model.weights."
        ) from error


class Unpickler(pickle.Unpickler):
    """Knows what a state dict needs, and nothing else; `storages` holds those that were told of, by key."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        """One of the few things that a state dict may name; none of them keeps a change or does anything."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, size, stride, *_: Layout(storage, offset, size, stride)
        if module == "torch" and name in DTYPES:
            return name
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no state dict needs")

    def persistent_load(self, told: Any) -> Storage:
        """A storage, told as ("storage", kind, key, device, count) and, in the old form, a view, which is None."""
        what, kind, key, _, count, *view = told
        if what != "storage" or kind not in DTYPES or not isinstance(key, str) or any(view) or not _counts((count,)):
            raise pickle.UnpicklingError("it tells of a storage in an unknown way")
        return self.storages.setdefault(key, Storage(kind, key, count))


def _from_archive(file: BinaryIO) -> tuple[Any, dict[str, np.ndarray]]:
    """What the pickle tells, and the numbers of each storage, from a zip archive."""
    with zipfile.ZipFile(file) as archive:
        (pickled,) = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        root = pickled.removesuffix("data.pkl")
        if f"{root}byteorder" in archive.namelist() and _entry(archive, f"{root}byteorder") != b"little":
            raise ValueError("its numbers are big-endian")
        unpickler = Unpickler(io.BytesIO(_entry(archive, pickled)))
        told = unpickler.load()
        return told, {
            storage.key: _numbers(_entry(archive, f"{root}data/{storage.key}", LARGEST_FILE), storage)
            for storage in unpickler.storages.values()
        }


def _entry(archive: zipfile.ZipFile, name: str, largest: int = LARGEST_PICKLE) -> bytes:
    """An entry of the archive, which PyTorch stores as it is; a compressed one could grow without end."""
    entry = archive.getinfo(name)
    if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > largest:
        raise ValueError(f"its entry {name} is compressed, or too large")
    return archive.read(entry)


def _from_stream(file: BinaryIO) -> tuple[Any, dict[str, np.ndarray]]:
    """The same from the form before PyTorch 1.6: pickles one behind the other, then the numbers.

    The pickles are a magic number, the version, the machine, the tensors, and the keys of the storages, whose numbers
    follow in this order, each after its count in eight bytes.
    """
    if (Unpickler(file).load(), Unpickler(file).load()) != (MAGIC_NUMBER, PROTOCOL):
        raise ValueError("it does not begin like one")
    if not Unpickler(file).load()["little_endian"]:
        raise ValueError("its numbers are big-endian")
    unpickler = Unpickler(file)
    told = unpickler.load()
    numbers = {}
    for key in Unpickler(file).load():
        storage = unpickler.storages[key]
        if int.from_bytes(file.read(8), "little") != storage.length:
            raise ValueError(f"storage {key} has another length than its tensors say")
        numbers[key] = _numbers(file.read(storage.length * DTYPES[storage.kind].itemsize), storage)
    return told, numbers


def _numbers(raw: bytes, storage: Storage) -> np.ndarray:
    numbers: np.ndarray = np.frombuffer(raw, DTYPES[storage.kind])
    if len(numbers) != storage.length:
        raise ValueError(f"storage {storage.key} has {len(numbers)} numbers instead of {storage.length}")
    return numbers


def _tensors(told: Any) -> dict[str, Layout]:
    if not isinstance(told, dict) or not told:
        raise ValueError("it holds no dictionary of tensors")
    for name, layout in told.items():
        if not isinstance(name, str) or not isinstance(layout, Layout) or not isinstance(layout.storage, Storage):
            raise ValueError(f"its entry {str(name)[:80]!r} is no tensor")
    return told


def _laid_out(layout: Layout, numbers: np.ndarray) -> np.ndarray:
    """The array that a layout describes."""
    _, offset, size, stride = layout
    if not _counts((offset, *size, *stride)) or len(size) != len(stride) or math.prod(size) > len(numbers):
        raise ValueError("a tensor has an impossible layout")
    if math.prod(size) == 0:
        return np.empty(size, numbers.dtype)
    if offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True)) >= len(numbers):
        raise ValueError("a tensor reaches beyond its storage")
    steps = [step * numbers.itemsize for step in stride]
    return np.array(np.lib.stride_tricks.as_strided(numbers[offset:], size, steps))


def _counts(values: tuple[Any, ...]) -> bool:
    return all(type(value) is int and value >= 0 for value in values)
