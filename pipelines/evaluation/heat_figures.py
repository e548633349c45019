"""Figures of the heatmaps, from what the table says of each: whether and how much of the heat lies where it should."""

from typing import Any

import numpy as np
import pandas as pd

from pipelines.intervals import Estimate, mean, proportion


def heat_figures(table: pd.DataFrame, patients: np.ndarray) -> dict[str, Any]:
    """`pointing_game`, `heat_inside` and `heat_outside_body`, each with interval and n; nothing that no image knows.

    `mask_share` is what a heatmap spread evenly would put inside the masks: the level of chance of the first two.
    Images of any label and any call count, if they have a mask and any heat.
    """
    found: dict[str, Any] = {}
    if "heat_hit" in table and table["mask_share"].notna().any():
        hit, known = table["heat_hit"].to_numpy(), table["heat_hit"].notna().to_numpy()
        found |= proportion(hit == 1, known, patients).named("pointing_game")
        found |= _mean(table["heat_inside"], patients).named("heat_inside")
        found["mask_share"] = float(table.loc[known, "mask_share"].mean()) if known.any() else None
    if "heat_outside_body" in table and table["heat_outside_body"].notna().any():
        found |= _mean(table["heat_outside_body"], patients).named("heat_outside_body")
    return found


def _mean(column: pd.Series, patients: np.ndarray) -> Estimate:
    known = column.notna().to_numpy()
    return mean(column[known].to_numpy(dtype=float), patients[known])
