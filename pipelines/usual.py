"""What is usual, learnt for the guard (`pipelines.guard`) from images of training and validation.

Limits are what any training image had, and a little more: another hospital's exposure lies a little beyond them,
another kind of picture far. What they leave of the share that may be refused goes to the distance.
"""

from dataclasses import fields

import numpy as np
import pandas as pd

from pipelines.card import Familiarity, Limits
from pipelines.guard import BEYOND, strange
from pipelines.statistics import Statistics

MARGIN = 0.02  # of the scale of a statistic
SCALES = {"colour": 255.0, "std": 255.0, "mean": 255.0, "dark": 1.0, "bright": 1.0}
STEPS = 201
COLUMNS = [field.name for field in fields(Statistics)]


def statistics_of(rows: pd.DataFrame) -> list[Statistics]:
    """Statistics of images from their rows of the manifest."""
    return [Statistics(*values) for values in rows[COLUMNS].itertuples(index=False, name=None)]


def limits_of(rows: pd.DataFrame) -> Limits:
    """The limits that follow from training images.

    Args:
        rows: of the manifest.
    """
    found = {}
    for name in BEYOND:
        margin, values = MARGIN * SCALES[name], rows[name].astype(float)
        found[name] = (float(values.min()) - margin, float(values.max()) + margin)
    return Limits(**found)


def reference(distances: np.ndarray, beyond: np.ndarray, refuse: float) -> Familiarity:
    """How far validation images lie from the training images, and how familiar an image must be.

    Args:
        distances: (n,), of validation images.
        beyond: (n,) bool, whether the limits refuse an image. Those that they do not refuse are the reference.
        refuse: share of validation images that limits and distance together may refuse.
    """
    refused = float(beyond.mean())
    inside = distances[~beyond] if refused < 1 else distances
    left = max(refuse - refused, 0.0) / max(1 - refused, 1 / len(distances))
    shares = np.linspace(0, 1, STEPS)
    quantiles = np.quantile(inside.astype(float), shares)
    return Familiarity(shares=tuple(shares.tolist()), distances=tuple(quantiles.tolist()), refuse=min(left, 1.0))


def beyond_limits(limits: Limits, rows: pd.DataFrame) -> np.ndarray:
    """Which images the limits refuse, (n,) bool."""
    return np.array([strange(limits, one) is not None for one in statistics_of(rows)], dtype=bool)
