"""Files in class folders, files that a table describes, or both."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from pipelines.errors import DataError
from pipelines.manifest import Record
from pipelines.recipe import LabelParams
from pipelines.recipe_sources import FolderSource
from pipelines.sources.table import Row, read_table, row_of, ruled, years

SUFFIXES = {".jpg", ".jpeg", ".png", ".dcm", ".tif", ".tiff", ".bmp", ".webp", ".gif", ".pgm", ".jp2"}


class _Place(NamedTuple):
    """A file, by its path below the source's folder, and what the folders on its way say."""

    path: str
    label: str | None
    split: str | None


def find(raw: Path, source: FolderSource, labels: LabelParams) -> Iterator[Record]:
    """Records of all images of a source, sorted by path; files and rows without a counterpart carry a fault.

    Every visible file below a class folder is an image; so is every visible file with a picture's suffix in a folder
    where the table describes one.

    Args:
        raw: the raw data set, which `source.folder` lies in.
    Raises:
        DataError: the folder or the table is missing or wrong, or there is no image at all.
    """
    folder = raw / source.folder
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}. Expected the images of {source.site} there.")
    rows = read_table(folder, source.table) if source.table else None
    places = _places(folder, source, labels, rows or {})
    if not places:
        raise DataError(_nothing(folder, source, labels))
    return _records(places, source, rows)


def _records(places: Sequence[_Place], source: FolderSource, rows: Mapping[str, Row] | None) -> Iterator[Record]:
    left_out = 0
    for record in chain((_record(place, source, rows) for place in places), _lost(rows or {}, places, source)):
        if record is None:
            left_out += 1
        else:
            yield record
    if left_out:
        counted = "1 image" if left_out == 1 else f"{left_out} images"
        print(f"{counted} of {source.site}: left out by the label rules")


def _places(folder: Path, source: FolderSource, labels: LabelParams, rows: Mapping[str, Row]) -> list[_Place]:
    """Files in class folders, and pictures in folders where the table knows at least one."""
    classes = _classes(source, labels)
    splits = {name: split for split, name in (source.splits or {}).items()}
    paths = sorted(_visible_files(folder), key=lambda path: path.split("/"))
    described = {_parent(path) for path in paths if row_of(rows, path)}
    places = []
    for path in paths:
        parts = path.split("/")[-2::-1]
        label = next((classes[part] for part in parts if part in classes), None)
        if label or row_of(rows, path) or (_parent(path) in described and Path(path).suffix.lower() in SUFFIXES):
            places.append(_Place(path, label, next((splits[part] for part in parts if part in splits), None)))
    return places


def _classes(source: FolderSource, labels: LabelParams) -> dict[str, str]:
    """Label by the name of the class folder."""
    if source.classes is None:
        return {name: name for name in labels.names}
    if strange := [label for label in source.classes if label not in labels.names]:
        raise DataError(f"source.classes names the label {strange[0]!r}. Expected one of {', '.join(labels.names)}.")
    return {folder: label for label, folders in source.classes.items() for folder in folders}


def _visible_files(folder: Path) -> Iterator[str]:
    """Paths below a folder, with forward slashes."""
    for parent, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        below = Path(parent).relative_to(folder).as_posix()
        yield from (_below(below, name) for name in names if not name.startswith("."))


def _below(folder: str, path: str) -> str:
    return path if folder == "." else f"{folder}/{path}"


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _record(place: _Place, source: FolderSource, rows: Mapping[str, Row] | None) -> Record | None:
    """The record of a file; None if the recipe's rules leave it out."""
    path = _below(Path(source.folder).as_posix(), place.path)
    patient = _patient(place.path.rpartition("/")[2], path, source.patient)
    known = Record(path, place.label, patient, source.site, folder_label=place.label, given_split=place.split)
    if rows is None:
        return known
    key = row_of(rows, place.path)
    if key is None:
        reason = f"The table {source.table.file if source.table else ''} has no row for it."
        return replace(known, fault="file without row", reason=reason)
    return _from_row(path, place, patient, source, rows[key])


def _from_row(path: str, place: _Place, patient: str, source: FolderSource, row: Row) -> Record | None:
    assert source.table is not None
    label, left_out = ruled(row["label"], source.table.rules)
    if left_out:
        return None
    return Record(
        path,
        label if source.table.label else place.label,
        row["patient"] or patient,
        row["site"] if source.table.site else source.site,
        folder_label=place.label,
        given_split=_split(row["split"], path, source) if source.table.split else place.split,
        view=row["view"],
        sex=row["sex"],
        age=years(row["age"]),
    )


def _lost(rows: Mapping[str, Row], places: Sequence[_Place], source: FolderSource) -> Iterator[Record | None]:
    """Records of the rows that describe no file; None for those that the recipe's rules leave out."""
    used = {row_of(rows, place.path) for place in places} if rows else set()
    for name in sorted(key for key in rows if key not in used):
        path = _below(Path(source.folder).as_posix(), name)
        record = _from_row(path, _Place(name, None, None), path, source, rows[name])
        reason = f"The table {source.table.file if source.table else ''} names it, but there is no such file."
        yield record and replace(record, fault="row without file", reason=reason)


def _split(text: str | None, path: str, source: FolderSource) -> str | None:
    """The split that a table's text means."""
    if text is None:
        return None
    names = {name: split for split, name in (source.splits or {}).items()}
    split = names.get(text, text)
    if split not in ("train", "val", "test"):
        raise DataError(f"The table gives {path} the split {text!r}. Expected train, val or test, or a name in splits.")
    return split


def _patient(name: str, path: str, pattern: str | None) -> str:
    """The patient in a file's name; without a pattern, or where it does not match, every image is a patient."""
    found = re.search(pattern, name) if pattern else None
    return found.group(1) if found else path


def _nothing(folder: Path, source: FolderSource, labels: LabelParams) -> str:
    names = ", ".join(_classes(source, labels))
    return f"{folder} has no images. Expected files in folders named {names}, or a table that gives their labels."
