"""Stage 3: every image decoded and resized once, stored as uint8 arrays that training maps into memory."""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from pipelines.contact_sheet import contact_sheet
from pipelines.errors import DataError
from pipelines.images import prepare, read
from pipelines.manifest import SPLITS, read_manifest
from pipelines.prepared import COLUMNS
from pipelines.recipe import AugmentParams, ImageParams, LabelParams
from pipelines.stage import command, fresh_folder


def run(
    raw: Path,
    manifest: Path,
    quarantine: Path,
    prepared: Path,
    labels: LabelParams,
    image: ImageParams,
    augment: AugmentParams,
) -> None:
    """Prepare every split, without the images put aside, and draw what augmentation does to some of them."""
    rows = usable(read_manifest(manifest), quarantine, labels)
    with fresh_folder(prepared) as folder:
        for split in SPLITS:
            chosen = rows[rows["split"] == split]
            if len(chosen):
                write_split(raw, chosen, image, folder)
                print(f"{split}: {len(chosen)} images of {image.height} x {image.width} x {image.channels}")
        train = np.load(folder / "train.npy", mmap_mode="r")
        contact_sheet(train[:4], augment).save(folder / "augmentation.png")


def usable(manifest: pd.DataFrame, quarantine: Path, labels: LabelParams) -> pd.DataFrame:
    """The rows to prepare, with `target`, the index of the label."""
    if not quarantine.is_file():
        raise DataError(f"There is no {quarantine}. Run the validate stage first.")
    aside = pd.read_csv(quarantine)["image_id"]
    rows = manifest[~manifest["image_id"].isin(aside)].copy()
    rows["target"] = rows["label"].map({name: index for index, name in enumerate(labels.names)})
    return rows


def write_split(raw: Path, rows: pd.DataFrame, image: ImageParams, folder: Path) -> None:
    """Write `<split>.npy` and `<split>.parquet` for rows of one split; pictures are read on all cores."""
    split = rows["split"].iloc[0]
    shape = (len(rows), image.height, image.width, image.channels)
    pixels = np.lib.format.open_memmap(folder / f"{split}.npy", mode="w+", dtype=np.uint8, shape=shape)
    with ProcessPoolExecutor() as pool:
        paths = [raw / path for path in rows["path"]]
        for row, picture in enumerate(pool.map(partial(_prepare_file, image=image), paths, chunksize=32)):
            pixels[row] = picture
    pixels.flush()
    rows[COLUMNS].to_parquet(folder / f"{split}.parquet", index=False)


def _prepare_file(path: Path, image: ImageParams) -> np.ndarray:
    return prepare(read(path), image)


if __name__ == "__main__":
    command(run)
