"""Which images were examined before, so that what did not change is not decoded again.

A file is known by its size, modification time, change time and inode, as long as both times are older than the record
by two seconds (a change within the clock's grain could hide behind equal times; git calls such files racy). The change
time is the system's own and cannot be set back, so that an edit which restores the modification time is seen. A file
that is not known by these is hashed, and decoded only if its content is new too.
"""

import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from importlib.util import find_spec
from itertools import islice, repeat
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.stage import fresh_file

SETTLED = 2 * 10**9  # nanoseconds
VERSION = b"version"
BATCH = 4096
LIBRARIES = ("numpy", "pillow", "pydicom", "python-gdcm")


class Stamp(NamedTuple):
    """What the file system tells of a file; times in nanoseconds."""

    size: int
    mtime: int
    ctime: int
    inode: int


class Known:
    """Images of earlier runs: `images` has one row each, as `examine` gives them.

    Args:
        table: the columns of Stamp, `path`, `recorded` (nanoseconds), `content` (digest of the file), `index`, and
            those of the images.
    """

    def __init__(self, table: pa.Table, images: pa.Schema) -> None:
        self.images = table.select(images.names)
        columns = [table[name].to_pylist() for name in ("path", "recorded", "content", "index", *Stamp._fields)]
        self._files = {
            path: (Stamp(*stamp), content)
            for path, recorded, content, _, *stamp in zip(*columns, strict=True)
            if max(stamp[1], stamp[2]) < recorded - SETTLED
        }
        self._rows = {key: row for row, key in enumerate(zip(columns[2], columns[3], strict=True))}

    @classmethod
    def read(cls, file: Path, images: pa.Schema, version: str) -> "Known":
        """What a file remembers; nothing, if it is missing, damaged or of another version."""
        try:
            table = pq.read_table(file)
            current = (table.schema.metadata or {}).get(VERSION) == version.encode()
        except (OSError, pa.ArrowInvalid):
            current = False
        return cls(table if current else _schema(images).empty_table(), images)

    def __len__(self) -> int:
        return len(self._rows)

    def content(self, path: str, stamp: Stamp) -> str | None:
        """Digest of a file, if it is the one that was seen under this path."""
        seen, content = self._files.get(path, (None, None))
        return content if seen == stamp else None

    def row(self, content: str | None, index: int) -> int | None:
        """Row of `images` that describes an image of this content."""
        return self._rows.get((content, index))


def stamp(file: Path) -> Stamp:
    """What the file system tells of a file now."""
    status = file.stat()
    return Stamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def digest(file: Path) -> str:
    """SHA-256 of a file's content."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def version_of(modules: Sequence[str]) -> str:
    """Changes with the code of modules, named as in `pipelines.<name>`, and with the libraries that decode."""
    digest = hashlib.sha256(" ".join(metadata.version(library) for library in LIBRARIES).encode())
    for module in modules:
        spec = find_spec(f"pipelines.{module}")
        assert spec is not None
        assert spec.origin is not None
        digest.update(Path(spec.origin).read_bytes())
    return digest.hexdigest()


def remember(
    file: Path, version: str, keys: Iterable[tuple[str, str, int]], stamps: Mapping[str, Stamp], images: pa.Table
) -> None:
    """Write what is known after a run; images with a fault are left out, so that they are examined again.

    Args:
        keys: path, digest of the file and index, for each row of `images`.
        stamps: of each file, taken before it was read.
    """
    now = time.time_ns()
    remaining = iter(keys)
    schema = _schema(images.schema).with_metadata({VERSION: version.encode()})
    with fresh_file(file) as beside, pq.ParquetWriter(beside, schema) as writer:
        for batch in images.to_batches(max_chunksize=BATCH):
            told = [(*key, now, *stamps[key[0]]) for key in islice(remaining, len(batch))]
            columns = zip(*told, strict=True) if told else repeat(())
            known = dict(zip(("path", "content", "index", "recorded", *Stamp._fields), columns, strict=False))
            table = pa.table({**known, **dict(zip(images.schema.names, batch.columns, strict=True))}, schema=schema)
            writer.write_table(table.filter(pc.is_null(table["fault"])))


def _schema(images: pa.Schema) -> pa.Schema:
    texts = [(name, pa.string()) for name in ("path", "content")]
    numbers = [(name, pa.int64()) for name in ("index", "recorded", "size", "mtime", "ctime")]
    return pa.schema([*texts, *numbers, ("inode", pa.uint64()), *images])
