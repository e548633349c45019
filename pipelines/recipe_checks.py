"""The section of a recipe that says what the data must satisfy, and what happens when they do not."""

from typing import Annotated, Literal

from pydantic import Field

from pipelines.section import Section, Share


class ImageRule(Section):
    """What happens with an image that fails a check; `off` leaves the check out."""

    severity: Literal["fail", "quarantine", "warn", "off"]


class ImageLimit(ImageRule):
    """A check of one image with a limit."""

    limit: float


class ImageRange(ImageRule):
    """A check of one image with a range, ends included."""

    low: float
    high: float


class ImageChoice(ImageRule):
    """A check of one image with the values that are allowed."""

    allowed: Annotated[tuple[str | int, ...], Field(min_length=1)]


class SetRule(Section):
    """What happens when the whole set fails a check."""

    severity: Literal["fail", "warn", "off"]


class SetLimit(SetRule):
    """A check of the whole set with a limit."""

    limit: float


class ChecksParams(Section):
    """What the images and the set must satisfy, each check under its own name (see `checks.py` for their meaning).

    `quarantine_share` is the largest share of images that may be put aside before the run stops.
    """

    quarantine_share: Share
    unreadable: ImageRule
    truncated: ImageRule
    unsupported: ImageRule
    row_without_file: ImageRule
    file_without_row: ImageRule
    unexpected_label: ImageRule
    label_contradicts_folder: ImageRule
    too_small: ImageLimit
    odd_aspect: ImageLimit
    wrong_mode: ImageChoice
    wrong_depth: ImageChoice
    blank: ImageLimit
    saturated: ImageLimit
    intensity_out_of_range: ImageRange
    inverted: ImageLimit
    colour: ImageLimit
    site_missing: ImageRule
    view_missing: ImageRule
    wrong_view: ImageChoice
    duplicate: ImageRule
    near_duplicate: ImageRule
    duplicate_with_two_labels: ImageRule
    duplicate_across_splits: ImageRule
    near_duplicate_across_splits: ImageRule
    patient_across_splits: ImageRule
    patient_with_two_labels: ImageRule
    split_missing: SetRule
    class_empty: SetRule
    class_share: SetLimit
    split_proportion: SetLimit
    drift: SetLimit
    shortcut: SetLimit
