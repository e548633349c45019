"""What the images and the set must satisfy: every check of a recipe, under its name, with what breaks it.

A check names a column and the values that are allowed there; null always passes. The columns are made by `facts.py`.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from pipelines.manifest import Fault
from pipelines.recipe import LabelParams
from pipelines.recipe_checks import ChecksParams, ImageChoice, ImageLimit, ImageRule, SetLimit

Severity = Literal["fail", "quarantine", "warn", "off"]


@dataclass(frozen=True)
class Check:
    """One rule for one column.

    Args:
        name: as it stands in reports: the recipe's key, with spaces.
        severity: fail stops the run, quarantine puts the image aside, warn only says so.
        column: of the judged table.
        reason: what is wrong where the rule is broken; `{value}` is the value found.
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
    allowed: tuple[str | int, ...] | None = None
    absent: bool = False


def checks_of_images(checks: ChecksParams, labels: LabelParams) -> list[Check]:
    """The checks of single images, and of images against each other, that a recipe asks for."""
    every = [*_of_files(checks), *_of_pixels(checks), *_of_facts(checks, labels), *_of_copies(checks)]
    return [check for check in every if check.severity != "off"]


def checks_of_set(checks: ChecksParams) -> list[Check]:
    """The checks of the whole set that a recipe asks for."""
    none = "It has {value:.0f} images, expected at least one."
    away = "It is {value:.3f} away from"
    every = [
        Check("split missing", checks.split_missing.severity, "split missing", none, low=1),
        Check("class empty", checks.class_empty.severity, "class empty", none, low=1),
        _at_least("class share", checks.class_share, "class share", "It is {value:.3f}"),
        _at_most("split proportion", checks.split_proportion, "split proportion", f"{away} the recipe's share"),
        _at_most("drift", checks.drift, "drift", f"{away} that of the data behind the model in production"),
        _at_most("shortcut", checks.shortcut, "shortcut", "It guesses the label with an AUC of {value:.3f}"),
    ]
    return [check for check in every if check.severity != "off"]


def _of_files(checks: ChecksParams) -> list[Check]:
    keys = [fault.replace(" ", "_") for fault in get_args(Fault)]
    return [_absent(key, getattr(checks, key)) for key in keys]


def _of_pixels(checks: ChecksParams) -> list[Check]:
    mean = checks.intensity_out_of_range
    range_ = f"Its mean grey level is {{value:.1f}}, expected {mean.low:g} to {mean.high:g}."
    return [
        _at_least("too small", checks.too_small, "shortest_side", "Its shorter side has {value:.0f} pixels"),
        _at_most("odd aspect", checks.odd_aspect, "aspect", "Its longer side is {value:.2f} times the shorter one"),
        _one_of("wrong mode", checks.wrong_mode, "mode", "It is stored as {value}"),
        _one_of("wrong depth", checks.wrong_depth, "bits", "It has {value:.0f} bits a channel"),
        _at_least("blank", checks.blank, "std", "It is blank or nearly so: its grey levels spread by {value:.1f}"),
        _at_most("saturated", checks.saturated, "clipped", "{value:.2f} of its pixels are black or white entirely"),
        Check("intensity out of range", mean.severity, "mean", range_, low=mean.low, high=mean.high),
        _at_least(
            "inverted",
            checks.inverted,
            "likeness",
            "Black and white may be swapped: it correlates with the mean training image by {value:.2f}",
        ),
        _at_most("colour", checks.colour, "colour", "Its colours differ by {value:.1f} on average"),
    ]


def _of_facts(checks: ChecksParams, labels: LabelParams) -> list[Check]:
    known = ImageChoice(severity=checks.unexpected_label.severity, allowed=labels.names)
    splits, labels_ = checks.patient_across_splits, checks.patient_with_two_labels
    return [
        _one_of("unexpected label", known, "judged_label", "Its label is {value}"),
        _absent("label_contradicts_folder", checks.label_contradicts_folder),
        _absent("site_missing", checks.site_missing),
        _absent("view_missing", checks.view_missing),
        _one_of("wrong view", checks.wrong_view, "view", "Its view is {value}"),
        _one("patient across splits", splits, "splits_of_patient", "Its patient is in {value:.0f} splits."),
        _one("patient with two labels", labels_, "labels_of_patient", "Its patient bears {value:.0f} labels."),
    ]


def _of_copies(checks: ChecksParams) -> list[Check]:
    labels, splits = checks.duplicate_with_two_labels, checks.duplicate_across_splits
    near, same = checks.near_duplicate_across_splits, "The same picture is in {value:.0f} splits."
    bears = "The same picture, or nearly, bears {value:.0f} labels."
    return [
        _absent("duplicate", checks.duplicate),
        _absent("near_duplicate", checks.near_duplicate),
        _one("duplicate with two labels", labels, "labels_of_picture", bears),
        _one("duplicate across splits", splits, "splits_of_picture", same),
        _one("near duplicate across splits", near, "splits_of_twins", same.replace("The", "Nearly the")),
    ]


def _at_least(name: str, rule: ImageLimit | SetLimit, column: str, found: str) -> Check:
    return Check(name, rule.severity, column, f"{found}, expected at least {rule.limit:g}.", low=rule.limit)


def _at_most(name: str, rule: ImageLimit | SetLimit, column: str, found: str) -> Check:
    return Check(name, rule.severity, column, f"{found}, expected at most {rule.limit:g}.", high=rule.limit)


def _one_of(name: str, rule: ImageChoice, column: str, found: str) -> Check:
    expected = ", ".join(map(str, rule.allowed))
    return Check(name, rule.severity, column, f"{found}, expected {expected}.", allowed=rule.allowed)


def _one(name: str, rule: ImageRule, column: str, reason: str) -> Check:
    """A check whose column counts what there may be one of."""
    return Check(name, rule.severity, column, reason, high=1)


def _absent(key: str, rule: ImageRule) -> Check:
    """A check whose column holds the reason itself."""
    return Check(key.replace("_", " "), rule.severity, key, "{value}", absent=True)
