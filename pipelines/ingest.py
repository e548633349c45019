"""Stage 1: from a raw data set to its manifest."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import imagehash
import numpy as np
import pandas as pd

from pipelines.errors import DataError, ImageError
from pipelines.images import bits, read, to_eight_bit
from pipelines.manifest import Record
from pipelines.recipe import LabelParams, SourceParams, SplitParams
from pipelines.sources import folder
from pipelines.splits import assign
from pipelines.stage import command, fresh_file

FINDERS = {"folder": folder.find}


def run(
    raw: Path,
    manifest: Path,
    source: SourceParams,
    external: SourceParams | None,
    labels: LabelParams,
    split: SplitParams,
) -> None:
    """Find every image, describe it, and give each patient a split; write one row per image."""
    if not raw.is_dir():
        raise DataError(f"There is no data set {raw}. Put or link its folders there (see data/README.md).")
    home = FINDERS[source.kind](raw, source, labels.names)
    away = FINDERS[external.kind](raw, external, labels.names) if external else []
    table = describe(raw, [*home, *away])
    table["split"] = "external"
    table.loc[: len(home) - 1, "split"] = assign(
        [f"{record.site}/{record.patient_id}" for record in home], list(table["sha256"][: len(home)]), split
    )
    with fresh_file(manifest) as partial:
        table.to_parquet(partial, index=False)
    _summarise(table)


def describe(raw: Path, records: Sequence[Record]) -> pd.DataFrame:
    """The manifest of some records, without their split; pictures are read on all cores."""
    with ProcessPoolExecutor() as pool:
        statistics = list(pool.map(examine, [raw / record.path for record in records], chunksize=32))
    rows = [
        {"image_id": record.path, "index": 0, **asdict(record), **found}
        for record, found in zip(records, statistics, strict=True)
    ]
    return pd.DataFrame(rows).astype({"age": "float64"})


def examine(path: Path) -> dict[str, Any]:
    """What one file and its pixels are like; a file that cannot be read has a `fault` and no pixels."""
    content = path.read_bytes()
    known = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    try:
        picture = read(content, path.name)
    except ImageError as error:
        return {**known, "fault": str(error)}
    grey = to_eight_bit(picture).convert("L")
    levels = np.asarray(grey, dtype=np.float32)
    return {
        **known,
        "phash": str(imagehash.phash(grey)),
        "width": picture.width,
        "height": picture.height,
        "mode": picture.mode,
        "bits": bits(picture),
        "mean": float(levels.mean()),
        "std": float(levels.std()),
        "fault": None,
    }


def _summarise(table: pd.DataFrame) -> None:
    counts = table.groupby(["split", "label"], observed=True).size().unstack(fill_value=0)
    print(f"{len(table)} images of {table.groupby('site')['patient_id'].nunique().sum()} patients")
    print(counts.to_string())


if __name__ == "__main__":
    command(run)
