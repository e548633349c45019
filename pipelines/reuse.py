"""Prepared pixels of the last run, so that an image whose content is known is not decoded again."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pipelines.stage import fresh_folder

Place = tuple[str, int]  # the split and the row in its array


class Prepared:
    """What a folder keeps of the last run: its arrays, and which content lies where."""

    def __init__(self, folder: Path, version: str) -> None:
        """Open what a folder keeps; nothing, if it is of another version.

        Args:
            version: whatever the pixels depend on beside the content of the files.
        """
        self._arrays: dict[str, np.ndarray] = {}
        self._places: dict[str, Place] = {}
        try:
            if (folder / "version").read_text(encoding="utf-8") == version:
                rows = pd.read_parquet(folder / "rows.parquet")
                self._arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in rows["split"].unique()}
                self._places = dict(zip(rows["sha256"], zip(rows["split"], rows["row"], strict=True), strict=True))
        except (OSError, ValueError):  # nothing was kept, or not all of it
            self._places = {}

    def places(self, digests: Sequence[str]) -> list[Place | None]:
        """Where the pixels of each content lie, or None."""
        return [self._places.get(digest) for digest in digests]

    def pixels(self, place: Place) -> np.ndarray:
        """(height, width, channels) uint8 of one image."""
        split, row = place
        return self._arrays[split][row]


def keep(folder: Path, version: str, prepared: Path, digests: dict[str, Sequence[str]]) -> None:
    """Remember the arrays of a run; they are linked, not copied, where the file system can.

    Args:
        digests: of the content of each image, by split, in the order of the arrays.
    """
    tables = [
        pd.DataFrame({"sha256": of_split, "split": split, "row": range(len(of_split))})
        for split, of_split in digests.items()
    ]
    with fresh_folder(folder) as beside:
        for split in digests:
            _link(prepared / f"{split}.npy", beside / f"{split}.npy")
        pd.concat(tables).to_parquet(beside / "rows.parquet", index=False)
        (beside / "version").write_text(version, encoding="utf-8")


def _link(file: Path, other: Path) -> None:
    try:
        os.link(file, other)
    except OSError:
        shutil.copyfile(file, other)
