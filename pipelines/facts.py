"""What the checks judge: for each image what follows from the others, and for the whole set its shares."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import get_args

import numpy as np
import pandas as pd

from pipelines.manifest import Fault
from pipelines.recipe import LabelParams, SplitParams
from pipelines.splits import DEALT

SET_COLUMNS = ("split missing", "class empty", "class share", "split proportion", "drift", "shortcut")
NO_LABEL = "none at all"


def facts_of_images(manifest: pd.DataFrame) -> pd.DataFrame:
    """The manifest with the columns that `checks_of_images` judges, each null where a check does not apply."""
    table = manifest.copy()
    sound = table["fault"].isna()
    for fault in get_args(Fault):
        table[fault.replace(" ", "_")] = table["reason"].where(table["fault"] == fault)
    sides = table[["width", "height"]]
    table["shortest_side"] = sides.min(axis=1)
    table["aspect"] = sides.max(axis=1) / sides.min(axis=1)
    table["clipped"] = table[["dark", "bright"]].max(axis=1)
    table["likeness"] = likeness(table["thumbnail"], (table["split"] == "train") & sound)
    without_label = table["fault"].isin(["row without file", "file without row"])
    table["judged_label"] = table["label"].fillna(NO_LABEL).mask(without_label)
    told = table["folder_label"].notna() & table["label"].notna()
    table["label_contradicts_folder"] = (
        "Its table says " + table["label"].fillna("") + ", its folder " + table["folder_label"].fillna("") + "."
    ).where(told & (table["label"] != table["folder_label"]))
    table["site_missing"] = pd.Series("Nothing says from which hospital it comes.", table.index).where(
        sound & table["site"].isna()
    )
    table["view_missing"] = pd.Series("Nothing says from which side it was taken.", table.index).where(
        sound & table["view"].isna()
    )
    return _with_relations(table)


def likeness(thumbnails: pd.Series, typical: pd.Series) -> pd.Series:
    """Correlation of each image with the mean of the typical ones, in [-1, 1]; null for flat or unread images.

    Black and white swapped turn it round: a film whose lungs are bright is the opposite of the mean film.
    """
    levels = pd.Series(np.nan, index=thumbnails.index)
    read = thumbnails.notna()
    if not (read & typical).any():
        return levels
    pixels = np.frombuffer(b"".join(thumbnails[read]), dtype=np.uint8).reshape(int(read.sum()), -1).astype(np.float32)
    mean = pixels[typical[read]].mean(axis=0)
    centred, mean = pixels - pixels.mean(axis=1, keepdims=True), mean - mean.mean()
    lengths = np.linalg.norm(centred, axis=1) * np.linalg.norm(mean)
    with np.errstate(invalid="ignore", divide="ignore"):
        levels[read] = np.where(lengths > 0, centred @ mean / lengths, np.nan)
    return levels


def facts_of_set(
    images: pd.DataFrame,
    labels: LabelParams,
    split: SplitParams,
    drift: Mapping[str, float],
    shortcuts: Mapping[str, float],
) -> pd.DataFrame:
    """One row per subject, with one column per check of `checks_of_set`, null where it does not apply.

    Args:
        images: rows of the manifest that are left after the quarantine.
        drift: distance of each statistic from the data behind the model in production.
        shortcuts: AUC with which each property guesses the label.
    """
    found = [*_of_splits(images, labels, split)]
    found += [(f"distribution of {name}", "drift", value) for name, value in drift.items()]
    found += [(name, "shortcut", value) for name, value in shortcuts.items()]
    rows = [{"subject": subject, check: float(value)} for subject, check, value in found]
    return pd.DataFrame(rows, columns=["subject", *SET_COLUMNS])


def _of_splits(images: pd.DataFrame, labels: LabelParams, split: SplitParams) -> Iterator[tuple[str, str, float]]:
    """Subject, check and value of what follows from the numbers of images."""
    counts = Counter(zip(images["split"], images["label"], strict=True))
    totals = Counter(images["split"])
    home = sum(totals[name] for name in DEALT)
    for name in [*DEALT, "external"] if totals["external"] else DEALT:
        yield name, "split missing", totals[name]
        for label in labels.names:
            count = counts[name, label]
            yield f"{label} in {name}", "class empty", count
            yield f"share of {label} in {name}", "class share", count / max(totals[name], 1)
    for name in DEALT:
        yield f"share of {name}", "split proportion", abs(totals[name] / max(home, 1) - split.share(name))


def _with_relations(table: pd.DataFrame) -> pd.DataFrame:
    """Columns that compare images with each other."""
    patient = table["site"].fillna("") + "/" + table["patient_id"]
    table["splits_of_patient"] = table.groupby(patient)["split"].transform("nunique")
    table["labels_of_patient"] = table.groupby(patient)["label"].transform("nunique")
    read = table[table["sha256"].notna()]
    splits_of_picture = read.groupby("sha256")["split"].transform("nunique")
    splits_of_twins = read.groupby("twin")["split"].transform("nunique")
    table["splits_of_picture"] = splits_of_picture
    table["splits_of_twins"] = splits_of_twins.where(splits_of_twins > splits_of_picture)
    table["labels_of_picture"] = read.groupby("twin")["label"].transform("nunique")
    table["duplicate"] = _copy_of(read, "sha256", "It is a copy, bit for bit, of ")
    others = read.drop_duplicates(["split", "sha256"])
    table["near_duplicate"] = _copy_of(others, "twin", "It is nearly the same picture as ")
    return table


def _copy_of(images: pd.DataFrame, key: str, lead: str) -> pd.Series:
    """For each image that has another before it in its split with the same key, a sentence that names the first."""
    groups = images.groupby(["split", key], dropna=False)
    first = groups["image_id"].transform("first")
    return (lead + first + ".").where(groups.cumcount() > 0)
