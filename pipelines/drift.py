"""Drift: how far the images at hand are from those behind the model in production, one number for each statistic.

For numbers it is the Kolmogorov-Smirnov distance, the largest gap between two empirical distribution functions (Massey
1951, 10.1080/01621459.1951.10500769); for categories the total variation distance, half the sum of the differences
between the shares. Both lie in [0, 1]: 0 is the same distribution, 1 has nothing in common.

A missing value counts as one below all numbers, or as a category of its own. So a statistic that vanished from all
images, or appeared in all, is 1 away, and one that vanished from a tenth of them is at least 0.1 away.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

NUMBERS = ("mean", "std", "dark", "bright", "border", "colour", "width", "height", "aspect", "bits", "bytes", "age")
CATEGORIES = ("mode", "view", "sex", "site")
POINTS = 200


def profile_of(images: pd.DataFrame) -> dict[str, Any]:
    """The distribution of each statistic, ready for JSON; empty for no images.

    Args:
        images: rows of a manifest. A statistic whose column is not there is left out.
    Returns:
        Of a number: `missing`, the share of images without it; `values`, at most POINTS of them in rising order;
        `below` and `upto`, the shares of images (missing ones included) that are less than each value, and at most as
        large. With no more distinct values than POINTS they are all there; else between two of them lies no more than
        1 / (POINTS - 1) of the images. Of a category: `missing`, and `shares` of the images by category.
    """
    if images.empty:
        return {}
    numbers = {name: _distribution(values) for name, values in _numbers(images).items()}
    return numbers | {name: _shares(images[name]) for name in CATEGORIES if name in images}


def drift(images: pd.DataFrame, profile: Mapping[str, Any]) -> dict[str, float]:
    """Distance of each statistic of these images from a profile, in [0, 1].

    A statistic is left out where one side has never heard of it (no column, no entry: an older profile), and where
    neither side knows it of any image. Where a profile was made from more distinct values than POINTS, the distance may
    be up to 1 / (POINTS - 1) too small. For the very images of the profile it is 0.

    Args:
        images: rows of a manifest; of none there is no distance.
        profile: what `profile_of` gave.
    """
    if images.empty:
        return {}
    found = {
        name: _kolmogorov_smirnov(values, profile[name])
        for name, values in _numbers(images).items()
        if name in profile and (len(profile[name]["values"]) or np.isfinite(values).any())
    }
    for name in (name for name in CATEGORIES if name in profile and name in images):
        old, new = profile[name], _shares(images[name])
        if old["shares"] or new["shares"]:
            found[name] = _total_variation(old, new)
    return found


def _numbers(images: pd.DataFrame) -> dict[str, np.ndarray]:
    """The numbers of each statistic, (images,) in rising order; missing ones are minus infinity, before all others."""
    columns = {name: images[name] for name in NUMBERS if name in images}
    if {"width", "height"} <= columns.keys():
        columns["aspect"] = images["width"] / images["height"]
    values = {
        name: pd.to_numeric(column).to_numpy(dtype=np.float64, na_value=np.nan) for name, column in columns.items()
    }
    return {name: np.sort(np.where(np.isfinite(row), row, -np.inf)) for name, row in values.items()}


def _distribution(values: np.ndarray) -> dict[str, Any]:
    known = values[np.isfinite(values)]
    points = np.unique(known)
    if len(points) > POINTS:
        points = np.unique(known[np.linspace(0, len(known) - 1, POINTS).round().astype(int)])
    below, upto = _cumulative(values, points)
    return {
        "missing": _missing(values),
        "values": points.tolist(),
        "below": below.tolist(),
        "upto": upto.tolist(),
    }


def _cumulative(values: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares of sorted values that are less than each point, and at most as large."""
    return (
        np.searchsorted(values, points, side="left") / len(values),
        np.searchsorted(values, points, side="right") / len(values),
    )


def _missing(values: np.ndarray) -> float:
    return float((~np.isfinite(values)).mean())


def _kolmogorov_smirnov(values: np.ndarray, old: Mapping[str, Any]) -> float:
    """The largest gap just before, at or after any value of the profile, or among the missing."""
    below, upto = _cumulative(values, np.asarray(old["values"], dtype=np.float64))
    gaps = [below - np.asarray(old["below"]), upto - np.asarray(old["upto"]), [_missing(values) - old["missing"]]]
    return float(np.abs(np.concatenate(gaps)).max())


def _shares(column: pd.Series) -> dict[str, Any]:
    counts = column.dropna().astype("str").value_counts().sort_index()
    return {
        "missing": float(column.isna().mean()),
        "shares": {str(name): float(count) / len(column) for name, count in counts.items()},
    }


def _total_variation(old: Mapping[str, Any], new: Mapping[str, Any]) -> float:
    names = old["shares"].keys() | new["shares"].keys()
    gaps = [abs(old["shares"].get(name, 0.0) - new["shares"].get(name, 0.0)) for name in names]
    return round(sum(gaps, abs(old["missing"] - new["missing"])) / 2, 9)
