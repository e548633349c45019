"""Calibration: of the images that are given 80 %, are 80 in a hundred positive?"""

import numpy as np
import pandas as pd

BINS = 10


def reliability(probability: np.ndarray, outcome: np.ndarray) -> pd.DataFrame:
    """Bins of equal width with what was promised and what came true; empty bins are left out.

    Args:
        probability: (n,) in [0, 1].
        outcome: (n,) bool.
    Returns:
        Columns `n`, `probability` (mean), `count` (how many came true), `observed` (their share).
    """
    bins = np.minimum((probability * BINS).astype(int), BINS - 1)
    grouped = pd.DataFrame({"probability": probability, "outcome": outcome}).groupby(bins)
    found = grouped.agg(n=("outcome", "size"), probability=("probability", "mean"), count=("outcome", "sum"))
    return found.assign(observed=found["count"] / found["n"])


def calibration_error(probability: np.ndarray, outcome: np.ndarray) -> float | None:
    """Expected calibration error in [0, 1] (Naeini et al. 2015), over ten bins of equal width; None of nothing."""
    if not len(probability):
        return None
    bins = reliability(probability, outcome)
    return float((bins["n"] * (bins["probability"] - bins["observed"]).abs()).sum() / len(probability))
