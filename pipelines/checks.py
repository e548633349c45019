"""What every image must satisfy, and how bad it is when one does not.

A check names a column of the judged table and the values that are allowed there. Columns that compare images with each
other (`copies_before`, `splits_of_patient`, ...) are added here, so that the judge sees one row per image.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from pipelines.recipe import ChecksParams, LabelParams

Severity = Literal["fail", "quarantine", "warn"]


@dataclass(frozen=True)
class Check:
    """One rule for one column.

    Args:
        name: as it stands in reports.
        severity: fail stops the run, quarantine puts the image aside, warn only says so.
        column: of the judged table.
        reason: what is wrong with an image that breaks the rule; `{value}` is the value found.
        low, high: allowed range, ends included; None leaves an end open.
        allowed: allowed values, instead of a range.
        absent: whether the column must be empty, instead of a range.
    """

    name: str
    severity: Severity
    column: str
    reason: str
    low: float | None = None
    high: float | None = None
    allowed: tuple[str, ...] | None = None
    absent: bool = False


def checks_of(checks: ChecksParams, labels: LabelParams) -> list[Check]:
    """The checks that a recipe asks for."""
    return [*_of_one_image(checks), *_between_images(checks, labels)]


def _of_one_image(checks: ChecksParams) -> list[Check]:
    side, spread = checks.minimum_side, checks.minimum_spread
    return [
        Check("readable", "quarantine", "fault", "{value}", absent=True),
        Check(
            "large enough",
            "quarantine",
            "shortest_side",
            f"Its shortest side has {{value:.0f}} pixels, expected at least {side}.",
            low=side,
        ),
        Check(
            "not blank",
            "quarantine",
            "std",
            f"Its grey levels spread by {{value:.1f}}, expected at least {spread:g}: it is blank or nearly so.",
            low=spread,
        ),
        Check(
            "no copy in its split",
            "quarantine",
            "copies_before",
            "It is a copy, bit for bit, of an image before it in the same split.",
            high=0,
        ),
    ]


def _between_images(checks: ChecksParams, labels: LabelParams) -> list[Check]:
    return [
        Check("known label", "fail", "label", "Its label {value} is not in the recipe.", allowed=labels.names),
        Check("one label", "fail", "labels_of_picture", "The same picture bears {value:.0f} labels.", high=1),
        Check(
            "patient in one split",
            "fail",
            "splits_of_patient",
            "Its patient is in {value:.0f} splits.",
            high=1,
        ),
        Check(
            "picture in one split",
            "fail",
            "splits_of_picture",
            "The same picture is in {value:.0f} splits.",
            high=1,
        ),
        Check(
            "class share",
            "warn",
            "class_share",
            f"Its class has a share of {{value:.3f}} of its split, expected at least {checks.class_share:g}.",
            low=checks.class_share,
        ),
    ]


def judged_table(manifest: pd.DataFrame) -> pd.DataFrame:
    """The manifest with the columns that compare images with each other."""
    table = manifest.copy()
    patient = table["site"] + "/" + table["patient_id"]
    table["shortest_side"] = table[["width", "height"]].min(axis=1)
    table["copies_before"] = table.groupby(["split", "sha256"]).cumcount()
    table["labels_of_picture"] = table.groupby("sha256")["label"].transform("nunique")
    table["splits_of_patient"] = table.groupby(patient)["split"].transform("nunique")
    table["splits_of_picture"] = table.groupby("sha256")["split"].transform("nunique")
    in_split = table.groupby("split")["image_id"].transform("count")
    table["class_share"] = table.groupby(["split", "label"])["image_id"].transform("count") / in_split
    return table


def empty_classes(manifest: pd.DataFrame, labels: Sequence[str]) -> list[str]:
    """Splits without any image of a class, as `test has no PNEUMONIA`; `external` only if it has images at all."""
    present = set(zip(manifest["split"], manifest["label"], strict=True))
    splits = ["train", "val", "test"] + (["external"] if (manifest["split"] == "external").any() else [])
    return [f"{split} has no {label}" for split in splits for label in labels if (split, label) not in present]
