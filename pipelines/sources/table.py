"""A table beside the images: what it says of each, under the recipe's names for its columns."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from pipelines.errors import DataError
from pipelines.recipe_sources import LabelRule, TableParams

Row = Mapping[str, str | None]
PARTS = ("label", "split", "patient", "site", "view", "sex", "age")


def read_table(folder: Path, table: TableParams) -> dict[str, Row]:
    """What a CSV or Parquet file says of each image, by the name of its file; null and empty cells are None.

    Returns:
        For each name the values of `label`, `split`, `patient`, `site`, `view`, `sex` and `age`, as text.
    Raises:
        DataError: the file or a column of it is missing, it cannot be read, or it names a file twice.
    """
    path = folder / table.file
    frame = _read(path)
    columns = {part: getattr(table, part) for part in PARTS}
    wanted = [table.name, *(column for column in columns.values() if column is not None)]
    if absent := [column for column in wanted if column not in frame]:
        raise DataError(f"{path} has no column {absent[0]!r}. It has: {', '.join(frame.columns)}.")
    names = frame[table.name].map(_text)
    if names.isna().any():
        raise DataError(f"{path} has a row without a file name in column {table.name!r}. Complete or remove it.")
    if names.duplicated().any():
        raise DataError(f"{path} names {names[names.duplicated()].iloc[0]!r} twice. Each image has one row: mend it.")
    parts = {part: frame[column].map(_text) for part, column in columns.items() if column is not None}
    cells = pd.DataFrame(parts, index=frame.index, columns=list(PARTS), dtype=object)
    rows: list[Any] = cells.where(cells.notna(), None).to_dict("records")
    return {PurePosixPath(name).as_posix(): row for name, row in zip(names, rows, strict=True)}


def row_of(rows: Mapping[str, Row], path: str) -> str | None:
    """Key of the row that describes a file: its whole path below the source's folder, or its name alone."""
    return next((key for key in (path, path.rpartition("/")[2]) if key in rows), None)


def ruled(text: str | None, rules: Sequence[LabelRule] | None) -> tuple[str | None, bool]:
    """The label that a text means, and whether the recipe leaves such an image out."""
    if rules is None or text is None:
        return text, False
    for rule in rules:
        if _fits(text.casefold(), rule):
            return rule.label, rule.label is None
    return text, False


def years(text: str | None) -> float | None:
    """Years of an age such as `61`, `061Y` or, as DICOM writes it for infants, `018M`, `003W`, `010D`."""
    found = re.match(r"\s*(\d+(?:\.\d+)?)\s*([YMWD]?)", text or "", re.IGNORECASE)
    if not found:
        return None
    per_year = {"": 1, "Y": 1, "M": 12, "W": 52.18, "D": 365.25}[found.group(2).upper()]
    return float(found.group(1)) / per_year


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise DataError(f"There is no table {path}. Put it there, or set table to null in the recipe.")
    try:
        return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, dtype=object)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path} cannot be read as a table ({reason}). Expected CSV or Parquet.") from None


def _text(cell: Any) -> str | None:
    """A cell as text; whole numbers without a point, so that a patient 7.0 is patient 7."""
    if pd.isna(cell) or str(cell).strip() == "":
        return None
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell).strip()


def _fits(text: str, rule: LabelRule) -> bool:
    if rule.equals is not None:
        return text == rule.equals.casefold()
    return str(rule.contains).casefold() in text
