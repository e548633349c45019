"""The manifest: one row per image, with where it is, what it shows, whose it is, and what its pixels are like.

- `image_id`: unique; the path, and `#index` where a file holds several images.
- `path`, `index`, `form`: the file inside the raw data set, the place of the image in it, and what kind of file it is.
- `label`, `folder_label`: what it shows, and what the folder that it lies in says.
- `split`, `given_split`: train, val, test or external; and what the publisher says.
- `patient_id`, `site`, `view`, `sex`, `age`: whose it is; the patient is unique within the site.
- `sha256`, `phash`: of the file (of the pixels, where a file holds several images), and of the picture.
- `twin`: the first image that is the same picture, or nearly so.
- `bytes`, `width`, `height`, `mode`, `bits`: of the file; no bytes where it holds several images.
- `mean`, `std`, `dark`, `bright`, `border`, `colour`, `thumbnail`: of the pixels, see `pipelines.statistics`.
- `fault`, `reason`: what is wrong with the file, by kind and in a sentence, or null.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from pipelines.errors import DataError

SPLITS = ("train", "val", "test", "external")
Form = Literal["picture", "idx", "npz", "cifar"]
Fault = Literal["unreadable", "truncated", "unsupported", "row without file", "file without row"]


@dataclass(frozen=True)
class Record:
    """One image as its source describes it; what the source does not know is None.

    Args:
        path: of the file, inside the raw data set, with forward slashes.
        label: None where nothing says what the image shows.
        patient_id: unique within the site.
        site: the hospital; None where a table should say it and does not.
        index: of the image among those of its file.
        form: `picture` for a file that is one image (JPEG, PNG, DICOM, ...), else the kind of array that holds it.
        folder_label: the class whose folder the file lies in.
        given_split: train, val or test, as the publisher says.
        age: in years.
        fault: what is already known to be wrong, with `reason` as its sentence; such an image is not read.
    """

    path: str
    label: str | None
    patient_id: str
    site: str | None
    index: int = 0
    form: Form = "picture"
    folder_label: str | None = None
    given_split: str | None = None
    view: str | None = None
    sex: str | None = None
    age: float | None = None
    fault: Fault | None = None
    reason: str | None = None

    @property
    def image_id(self) -> str:
        """Unique name of the image."""
        return self.path if self.form == "picture" else f"{self.path}#{self.index}"


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
