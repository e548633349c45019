"""The manifest: one row per image, with where it is, what it shows, whose it is, and what its pixels are like.

Columns: `image_id` (unique), `path` (inside the raw data set), `index` (inside the file, 0 for pictures), `label`,
`split` (train, val, test, external), `patient_id`, `site`, `view`, `sex`, `age`, `sha256` and `phash` (of the file and
of the picture), `bytes`, `width`, `height`, `mode`, `bits`, `mean`, `std` (grey levels, 0 to 255), and `fault`,
the reason why the picture cannot be read, or null.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pipelines.errors import DataError

SPLITS = ("train", "val", "test", "external")


@dataclass(frozen=True)
class Record:
    """One image as its source describes it; what the source does not know is None.

    Args:
        path: of the file, inside the raw data set, with forward slashes.
        patient_id: unique within the site.
        age: in years.
    """

    path: str
    label: str
    patient_id: str
    site: str
    view: str | None = None
    sex: str | None = None
    age: float | None = None


def read_manifest(path: Path) -> pd.DataFrame:
    """Read a manifest, one row per image.

    Raises:
        DataError: it is missing or no Parquet file.
    """
    if not path.is_file():
        raise DataError(f"There is no manifest {path}. Run the ingest stage first.")
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is no readable manifest ({error}). Run the ingest stage again.") from None
