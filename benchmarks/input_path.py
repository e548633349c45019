"""Ingest and preprocess against the plain loop of Pillow: open, convert, resize, over real films.

    FILMGATE_REAL_DATA=<folder> python -m benchmarks.input_path

Both sides end with an array of all films at 128 x 128. Ours also hashes every file, measures its pixels, looks for
copies, splits by patient and writes the manifest. Prints both times and their ratio, round by round and as a median.
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from benchmarks.films import sections
from pipelines import ingest, preprocess

ROUNDS, SIDE = 7, 128


def plain(files, target):
    pixels = [np.asarray(Image.open(file).convert("L").resize((SIDE, SIDE))) for file in files]
    np.save(target, np.stack(pixels))


def ours(raw, folder, recipe):
    """Both stages from nothing; importing Keras for the sheet of augmentations is left out by keeping that sheet."""
    manifest, cache, aside = folder / "manifest.parquet", folder / "cache", folder / "quarantine.csv"
    (cache / "examined.parquet").unlink(missing_ok=True)
    (cache / "prepared" / "version").unlink(missing_ok=True)
    pd.DataFrame({"image_id": []}).to_csv(aside)
    ingest.run(raw, manifest, cache, recipe.source, None, recipe.labels, recipe.split, recipe.alike)
    preprocess.run(raw, manifest, aside, cache, folder / "prepared", recipe.labels, recipe.image, recipe.augment)


def timed(work, *arguments):
    start = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - start


def main():
    films = os.environ.get("FILMGATE_REAL_DATA")
    if not films:
        sys.exit("error: FILMGATE_REAL_DATA is not set. Name the folder with chest_xray_original.")
    raw = Path(films, "chest_xray_original")
    files = sorted(file for file in raw.rglob("*.jpeg"))
    ratios = []
    with tempfile.TemporaryDirectory() as scratch:
        ours(raw, Path(scratch), sections(SIDE))
        plain(files, Path(scratch, "plain.npy"))
        for number in range(ROUNDS):
            loop, stages = (
                timed(plain, files, Path(scratch, "plain.npy")),
                timed(ours, raw, Path(scratch), sections(SIDE)),
            )
            ratios.append(loop / stages)
            print(f"round {number + 1}: plain loop {loop:.2f} s, stages {stages:.2f} s, {ratios[-1]:.2f} times faster")
    print(f"{len(files)} films: {statistics.median(ratios):.2f} times faster (median of {ROUNDS})")


if __name__ == "__main__":
    main()
