"""Stage 1: from a raw data set to its manifest."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines import known
from pipelines.alike import twins
from pipelines.errors import DataError
from pipelines.examine import EXAMINED, examine, nothing_known
from pipelines.known import Known, Stamp, remember, stamp, version_of
from pipelines.manifest import SPLITS, Record
from pipelines.parallel import each, shards
from pipelines.pictures import Place
from pipelines.recipe import AlikeParams, LabelParams, SplitParams
from pipelines.recipe_sources import SourceParams
from pipelines.sources import cifar, folder, idx, npz
from pipelines.sources import dicom as dicom_files
from pipelines.splits import assign
from pipelines.stage import command, fresh_file

KINDS: dict[str, Callable[..., Iterator[Record]]] = {
    "folder": folder.find,
    "dicom": dicom_files.find,
    "idx": idx.find,
    "npz": npz.find,
    "cifar": cifar.find,
}
EXAMINERS = (
    "images",
    "dicom",
    "greyscale",
    "pictures",
    "statistics",
    "examine",
    "sources.idx",
    "sources.npz",
    "sources.cifar",
)
DESCRIBED = pa.schema(
    [
        ("image_id", pa.string()),
        ("path", pa.string()),
        ("index", pa.int64()),
        ("form", pa.string()),
        ("label", pa.string()),
        ("folder_label", pa.string()),
        ("given_split", pa.string()),
        ("patient_id", pa.string()),
        ("site", pa.string()),
        ("view", pa.string()),
        ("sex", pa.string()),
        ("age", pa.float64()),
        ("known_fault", pa.string()),
        ("known_reason", pa.string()),
    ]
)


def run(
    raw: Path,
    manifest: Path,
    cache: Path,
    source: SourceParams,
    external: SourceParams | None,
    labels: LabelParams,
    split: SplitParams,
    alike: AlikeParams,
) -> None:
    """Find every image, describe it, and give each patient a split; write one row per image.

    What `cache` remembers of earlier runs saves work and changes nothing else.
    """
    if not raw.is_dir():
        raise DataError(f"There is no data set {raw}. Put or link its folders there (see data/README.md).")
    home = described(_records(raw, source, labels))
    away = described(_records(raw, external, labels)) if external else home.slice(0, 0)
    found = pa.concat_tables([home, away])
    table = _with_faults(found, examine_all(raw, found, cache / "examined.parquet"))
    places = twins(table["sha256"], table["phash"], table["thumbnail"], alike)
    splits = [*_splits(home, places[: len(home)], split), *["external"] * len(away)]
    names = np.asarray(table["image_id"], dtype=object)[places]
    for column, values in (("twin", names), ("split", splits)):
        table = table.append_column(column, pa.array(values, pa.string()))
    _check_splits(table)
    with fresh_file(manifest) as beside:
        pq.write_table(table, beside)
    _summarise(table)


def described(records: Iterator[Record]) -> pa.Table:
    """What the sources say of their images, one row each; a few thousand records are held at a time."""
    batches = [
        pa.RecordBatch.from_pylist([_row(record) for record in shard], schema=DESCRIBED)
        for shard in shards(records, 4096)
    ]
    return pa.Table.from_batches(batches, schema=DESCRIBED)


def examine_all(raw: Path, found: pa.Table, memory: Path) -> pa.Table:
    """One row of EXAMINED per image: known ones as they were, new ones examined on all cores."""
    version = version_of(EXAMINERS)
    before = Known.read(memory, EXAMINED, version)
    places = _places(found)
    present = [place for place in places if place is not None]
    stamps = _stamps(raw, present)
    contents = _contents(raw, present, stamps, before)
    rows = [before.row(contents.get(place.path), place.index) for place in present]
    new = [place for place, row in zip(present, rows, strict=True) if row is None]
    fresh = gathered(each(partial(examine, raw), shards(new)))
    images = _in_order(before.images, rows, fresh)
    keys = (
        (place.path, contents.get(place.path) or digest.as_py(), place.index)
        for place, digest in zip(present, images["sha256"], strict=True)
    )
    remember(memory, version, keys, stamps, images)
    return _with_gaps(images, [place is not None for place in places])


def gathered(tables: Iterator[pa.Table]) -> pa.Table:
    """Many small tables of EXAMINED as one, in few pieces, since each piece costs memory of its own."""
    pieces = [pa.concat_tables(group).combine_chunks() for group in shards(tables, 256)]
    return pa.concat_tables([EXAMINED.empty_table(), *pieces])


def _records(raw: Path, source: SourceParams, labels: LabelParams) -> Iterator[Record]:
    return KINDS[source.kind](raw, source, labels)


def _row(record: Record) -> dict[str, object]:
    row = asdict(record)
    row["known_fault"], row["known_reason"] = row.pop("fault"), row.pop("reason")
    return {"image_id": record.image_id, **row}


def _places(found: pa.Table) -> list[Place | None]:
    """Where each image lies; None where its source already said what is wrong with it."""
    columns = (found[name].to_pylist() for name in ("path", "form", "index", "known_fault"))
    return [None if fault else Place(path, form, index) for path, form, index, fault in zip(*columns, strict=True)]


def _stamps(raw: Path, places: Sequence[Place]) -> dict[str, Stamp]:
    return {path: stamp(raw / path) for path in dict.fromkeys(place.path for place in places)}


def _contents(raw: Path, places: Sequence[Place], stamps: dict[str, Stamp], before: Known) -> dict[str, str | None]:
    """Digest of each file that is known, or that must be hashed to tell whether it is.

    A picture is hashed when it is decoded; before that only if what it holds may be known.
    """
    forms = {place.path: place.form for place in places}
    contents = {path: before.content(path, told) for path, told in stamps.items()}
    unsure = [path for path, content in contents.items() if not content and (len(before) or forms[path] != "picture")]
    hashed = each(partial(_digests, raw), shards(unsure))
    return contents | dict(zip(unsure, (digest for shard in hashed for digest in shard), strict=True))


def _digests(raw: Path, paths: Sequence[str]) -> list[str]:
    return [known.digest(raw / path) for path in paths]


def _in_order(before: pa.Table, rows: Sequence[int | None], fresh: pa.Table) -> pa.Table:
    """Known rows and fresh ones, in the order of the images; `rows` has None for each fresh one."""
    if len(fresh) == len(rows):
        return fresh
    numbers = np.array([-1 if row is None else row for row in rows], dtype=np.int64)
    numbers[numbers < 0] = len(before) + np.arange(len(fresh))
    return pa.concat_tables([before, fresh]).take(pa.array(numbers))


def _with_gaps(images: pa.Table, present: Sequence[bool]) -> pa.Table:
    """Rows of null for the images that are not there."""
    if all(present):
        return images
    places = np.where(present, np.cumsum(present) - 1, len(images))
    return pa.concat_tables([images, nothing_known(1)]).take(pa.array(places))


def _with_faults(found: pa.Table, images: pa.Table) -> pa.Table:
    """The manifest but for split and twin: what the source says to be wrong stands beside what was found to be."""
    told = {"fault": found["known_fault"], "reason": found["known_reason"]}
    table = found.drop_columns(["known_fault", "known_reason"])
    for name in images.schema.names:
        column = pc.coalesce(told[name], images[name]) if name in told else images[name]
        table = table.append_column(name, column)
    return table


def _splits(home: pa.Table, places: np.ndarray, split: SplitParams) -> list[str | None]:
    patients = pc.binary_join_element_wise(home["site"].fill_null(""), home["patient_id"], "/")
    return assign(patients.to_pylist(), places, home["given_split"].to_pylist(), split)


def _check_splits(table: pa.Table) -> None:
    lost = table.filter(pc.and_(pc.is_null(table["split"]), pc.is_null(table["fault"])))["image_id"]
    if len(lost):
        raise DataError(
            f"{len(lost)} images have no split, e.g. {lost[0].as_py()}: the recipe keeps the publisher's train, val "
            "and test, and it is in none of them. Say where it belongs, or take a split out of split.keep."
        )


def _summarise(table: pa.Table) -> None:
    patients = table.group_by(["site", "patient_id"]).aggregate([])
    print(f"{len(table)} images of {len(patients)} patients")
    counts = Counter(zip(table["split"].to_pylist(), table["label"].to_pylist(), strict=True))
    for split in (*SPLITS, None):
        found = [
            f"{label or 'no label'} {count}" for (of, label), count in sorted(counts.items(), key=str) if of == split
        ]
        if found:
            print(f"  {split or 'no split'}: {', '.join(found)}")


if __name__ == "__main__":
    command(run)
