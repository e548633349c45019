"""A directory of class folders, alone or with a table beside it.

Every folder that bears the name of a label, at any depth, is a class folder; every visible file in it is an image.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from pipelines.errors import DataError
from pipelines.manifest import Record
from pipelines.recipe import SourceParams, TableParams


def find(raw: Path, source: SourceParams, labels: Sequence[str]) -> list[Record]:
    """Records of all images of a source, sorted by path.

    Args:
        raw: the raw data set, which `source.folder` lies in.
        labels: names of the class folders.
    Raises:
        DataError: a folder, a class, a table or a column of it is missing, or the table names no such file.
    """
    folder = raw / source.folder
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}. Expected the images of {source.site} there.")
    files = sorted(_class_files(folder, labels))
    rows = _table_rows(folder, source.table) if source.table else {}
    records = [_record(raw, file, source, rows) for file in files]
    _check_classes(records, folder, labels)
    return records


def _class_files(folder: Path, labels: Sequence[str]) -> Iterator[Path]:
    for parent, _, names in os.walk(folder, followlinks=True):
        if Path(parent).name in labels:
            yield from (Path(parent, name) for name in names if not name.startswith("."))


def _table_rows(folder: Path, table: TableParams) -> dict[str, Mapping[str, object]]:
    """Rows of the table by the name of their file."""
    path = folder / table.file
    if not path.is_file():
        raise DataError(f"There is no table {path}. Put it there, or set table to null in the recipe.")
    frame = pd.read_csv(path, dtype=object)
    wanted = [c for c in table.model_dump(exclude={"file"}).values() if c is not None]
    if absent := [column for column in wanted if column not in frame]:
        raise DataError(f"{path} has no column {absent[0]!r}. It has: {', '.join(frame.columns)}.")
    rows = frame.astype(object).where(frame.notna(), None).to_dict("index").values()
    return {Path(str(row[table.name])).name: {str(key): value for key, value in row.items()} for row in rows}


def _record(raw: Path, file: Path, source: SourceParams, rows: Mapping[str, Mapping[str, object]]) -> Record:
    path = file.relative_to(raw).as_posix()
    folder_label = file.parent.name
    if source.table is None:
        return Record(path, folder_label, _patient(file, path, source.patient), source.site)
    if file.name not in rows:
        raise DataError(
            f"{file} is not in {source.table.file}. Each image needs a row there: add it or remove the file."
        )
    return _from_row(path, file, folder_label, source, rows[file.name])


def _from_row(path: str, file: Path, folder_label: str, source: SourceParams, row: Mapping[str, object]) -> Record:
    def text(column: str | None) -> str | None:
        return None if column is None or row[column] is None else str(row[column])

    table = source.table
    assert table is not None
    label = text(table.label) or folder_label
    if label != folder_label:
        raise DataError(f"{file} lies in folder {folder_label} but {table.file} calls it {label}. Correct one of them.")
    patient = text(table.patient) or _patient(file, path, source.patient)
    site = text(table.site) or source.site
    return Record(path, label, patient, site, text(table.view), text(table.sex), _age(text(table.age)))


def _patient(file: Path, path: str, pattern: str | None) -> str:
    """The patient in a file's name; without a pattern, or where it does not match, every image is a patient."""
    found = re.search(pattern, file.name) if pattern else None
    return found.group(1) if found else path


def _age(text: str | None) -> float | None:
    """Years of an age such as `61` or DICOM's `061Y`."""
    digits = re.match(r"\d+(\.\d+)?", text or "")
    return float(digits.group()) if digits else None


def _check_classes(records: Sequence[Record], folder: Path, labels: Sequence[str]) -> None:
    present = {record.label for record in records}
    if empty := [label for label in labels if label not in present]:
        raise DataError(
            f"{folder} has no images of class {empty[0]}. Expected files in folders named {', '.join(labels)}."
        )
