"""What each image is like: digests, dimensions, statistics, or the reason why it cannot be read."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.errors import ImageError
from pipelines.phash import hashes
from pipelines.pictures import Place, open_picture
from pipelines.statistics import MEASURED_SIDE, measure

EXAMINED = pa.schema(
    [
        ("sha256", pa.string()),
        ("phash", pa.string()),
        ("bytes", pa.int64()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("mode", pa.string()),
        ("bits", pa.int32()),
        ("mean", pa.float64()),
        ("std", pa.float64()),
        ("dark", pa.float64()),
        ("bright", pa.float64()),
        ("border", pa.float64()),
        ("colour", pa.float64()),
        ("thumbnail", pa.binary(256)),
        ("fault", pa.string()),
        ("reason", pa.string()),
    ]
)


def examine(raw: Path, places: Sequence[Place]) -> pa.Table:
    """One row per image, in order, with the columns of EXAMINED."""
    found = [_examine_one(raw, place) for place in places]
    whole = [row for row in found if "small" in row]
    for row, code in zip(whole, hashes([row.pop("small") for row in whole]), strict=True):
        row["phash"] = code
    return pa.Table.from_pylist(found, schema=EXAMINED)


def nothing_known(count: int) -> pa.Table:
    """As many rows of EXAMINED, all null: images that are not there."""
    return pa.table({field.name: pa.nulls(count, field.type) for field in EXAMINED}, schema=EXAMINED)


def _examine_one(raw: Path, place: Place) -> dict[str, Any]:
    try:
        opened = open_picture(raw, place, at_least=MEASURED_SIDE)
    except ImageError as error:
        content = (raw / place.path).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        return {"sha256": digest, "bytes": len(content), "fault": error.kind, "reason": str(error)}
    statistics, small = measure(opened.picture)
    width, height = opened.picture.info["stored"]
    known = {"sha256": opened.sha256, "bytes": opened.bytes, "width": width, "height": height}
    stored = {"mode": opened.picture.mode, "bits": opened.picture.info["bits"]}
    return {**known, **stored, **asdict(statistics), "small": np.asarray(small)}
