"""Stage 3: every image decoded and resized once, stored as uint8 arrays that training maps into memory."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from pipelines.errors import DataError
from pipelines.images import enough, prepare
from pipelines.known import version_of
from pipelines.manifest import SPLITS, read_manifest
from pipelines.parallel import each, shards
from pipelines.pictures import PIXELS, Place, open_picture
from pipelines.prepared import COLUMNS
from pipelines.recipe import AugmentParams, ImageParams, LabelParams
from pipelines.reuse import Prepared, keep
from pipelines.stage import command, fresh_folder

BLOCK = 256  # images written at once, to bound memory


def run(
    raw: Path,
    manifest: Path,
    quarantine: Path,
    cache: Path,
    prepared: Path,
    labels: LabelParams,
    image: ImageParams,
    augment: AugmentParams,
) -> None:
    """Prepare every split, without the images put aside, and draw what augmentation does to some of them.

    What `cache` remembers of earlier runs saves work and changes nothing else.
    """
    rows = usable(read_manifest(manifest), quarantine, labels)
    version = f"{version_of(PIXELS)} {image.model_dump_json()}"
    splits = {split: chosen for split in SPLITS if len(chosen := rows[rows["split"] == split])}
    pixels = _pixels(raw, pd.concat([rows[:0], *splits.values()]), image, Prepared(cache / "prepared", version))
    with fresh_folder(prepared) as folder:
        for split, chosen in splits.items():
            write_split(folder, split, chosen, islice(pixels, len(chosen)), image)
            print(f"{split}: {len(chosen)} images of {image.height} x {image.width} x {image.channels}")
        _draw_augmentation(folder, augment, cache)
    keep(cache / "prepared", version, prepared, {split: list(chosen["sha256"]) for split, chosen in splits.items()})


def usable(manifest: pd.DataFrame, quarantine: Path, labels: LabelParams) -> pd.DataFrame:
    """The rows to prepare, with `target`, the index of the label; those without pixels, split or label are left out."""
    if not quarantine.is_file():
        raise DataError(f"There is no {quarantine}. Run the validate stage first.")
    aside = pd.read_csv(quarantine)["image_id"]
    known = manifest["fault"].isna() & manifest["split"].notna() & manifest["label"].isin(labels.names)
    rows = manifest[known & ~manifest["image_id"].isin(aside)].copy()
    rows["target"] = rows["label"].map({name: index for index, name in enumerate(labels.names)}).astype("int64")
    return rows


def write_split(folder: Path, split: str, rows: pd.DataFrame, pixels: Iterator[np.ndarray], image: ImageParams) -> None:
    """Write `<split>.npy` and `<split>.parquet`, a block of images at a time."""
    shape = (len(rows), image.height, image.width, image.channels)
    with (folder / f"{split}.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        for block in shards(pixels, BLOCK):
            file.write(np.stack(block).tobytes())
    rows[COLUMNS].to_parquet(folder / f"{split}.parquet", index=False)


def _pixels(raw: Path, rows: pd.DataFrame, image: ImageParams, before: Prepared) -> Iterator[np.ndarray]:
    """Prepared images, one after another: known ones as they were, new ones decoded some shards ahead."""
    known = before.places(list(rows["sha256"]))
    places = [Place(*place) for place in zip(rows["path"], rows["form"], rows["index"], strict=True)]
    new = [place for place, seen in zip(places, known, strict=True) if seen is None]
    fresh = (pixels for shard in each(partial(_prepare, raw, image), shards(new)) for pixels in shard)
    for seen in known:
        yield before.pixels(seen) if seen else next(fresh)


def _prepare(raw: Path, image: ImageParams, places: Sequence[Place]) -> np.ndarray:
    return np.stack([prepare(open_picture(raw, place, enough(image)).picture, image) for place in places])


def _draw_augmentation(folder: Path, augment: AugmentParams, cache: Path) -> None:
    """Draw the contact sheet of the first training images; one that would be the same is copied."""
    some = np.load(folder / "train.npy", mmap_mode="r")[:4]
    code = version_of(["contact_sheet", "training.augment"])
    key = hashlib.sha256(f"{code} {augment.model_dump_json()} {some.shape}".encode() + some.tobytes()).hexdigest()
    drawn = cache / "augmentation" / f"{key}.png"
    if not drawn.is_file():
        from pipelines.contact_sheet import contact_sheet  # imports Keras, which takes seconds

        with fresh_folder(drawn.parent) as beside:
            contact_sheet(some, augment).save(beside / drawn.name)
    (folder / "augmentation.png").write_bytes(drawn.read_bytes())


if __name__ == "__main__":
    command(run)
