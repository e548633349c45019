"""Prepared splits: `<split>.npy` holds the pixels, `<split>.parquet` says row by row whose they are."""

from pathlib import Path

import numpy as np
import pandas as pd

from pipelines.errors import DataError

COLUMNS = ["image_id", "path", "label", "target", "split", "patient_id", "site", "view", "sex", "age"]


def read_split(prepared: Path, split: str) -> tuple[np.ndarray, pd.DataFrame]:
    """One split, its pixels left on disk until they are used.

    Returns:
        (images, height, width, channels) uint8, memory-mapped; and one row per image, in the same order.
    Raises:
        DataError: the split was not prepared, or its two files do not fit together.
    """
    pixels_file, rows_file = prepared / f"{split}.npy", prepared / f"{split}.parquet"
    if not (pixels_file.is_file() and rows_file.is_file()):
        raise DataError(f"{prepared} has no prepared split {split!r}. Run the preprocess stage first.")
    pixels, rows = np.load(pixels_file, mmap_mode="r"), pd.read_parquet(rows_file)
    if len(pixels) != len(rows):
        raise DataError(f"{pixels_file} has {len(pixels)} images, its table {len(rows)}. Preprocess again.")
    return pixels, rows
