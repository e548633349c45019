"""Calibration: of the images that are given 80 %, are 80 in a hundred positive?"""

import numpy as np
import pandas as pd

from pipelines.intervals import ALPHA, Estimate, proportion

BINS, CLEAR, DRAWS, SEED = 10, 2.0, 4000, 20211


def bin_of(probability: np.ndarray) -> np.ndarray:
    """Which of the BINS bins of equal width each probability lies in, (n,); 1 lies in the last."""
    return np.minimum((probability * BINS).astype(int), BINS - 1)


def reliability(probability: np.ndarray, outcome: np.ndarray, patients: np.ndarray) -> pd.DataFrame:
    """Bins of equal width with what was promised and what came true; empty bins are left out.

    Args:
        probability: (n,) in [0, 1].
        outcome: (n,) bool.
        patients: (n,) whole numbers from 0.
    Returns:
        Columns `n`, `probability` (mean), `observed` (share that came true), `low` and `high` (its 95 % interval).
    """
    rows, bins = [], bin_of(probability)
    for number in np.unique(bins):
        of = bins == number
        share = proportion(outcome, of, patients)
        mean = float(probability[of].mean())
        rows.append({"n": share.n, "probability": mean, "observed": share.value, "low": share.low, "high": share.high})
    return pd.DataFrame(rows, columns=["n", "probability", "observed", "low", "high"])


def calibration_error(probability: np.ndarray, outcome: np.ndarray, patients: np.ndarray) -> Estimate:
    """Expected calibration error in [0, 1] (Naeini et al. 2015), over ten bins of equal width.

    The gaps between promise and outcome of the bins are sums over patients, and so nearly normal. Their sizes add up to
    a figure that is too large by chance, the more so the better the model is calibrated; drawing images again would
    double that. So the interval bounds the figure's own error: a gap of more than CLEAR standard errors has a sign
    that is known, and errs with it; any other can only have been made larger, by its error at most (the selection of
    moments by Andrews and Soares 2010, 10.3982/ECTA7502). It covers the truth in 95 % of cases where calibration is
    perfect, and in up to 99 % where it is nearly so.

    Args:
        probability: (n,) in [0, 1].
        outcome: (n,) bool, whether it came true.
        patients: (n,) whole numbers from 0.
    """
    if not (n := len(probability)):
        return Estimate(None, None, None, 0)
    gaps = _gaps(probability, outcome, patients) / n
    total = gaps.sum(axis=0)
    value = float(np.abs(total).sum())
    if len(gaps) < 2:
        return Estimate(value, 0.0, 1.0, n)
    errors, sign = _errors(gaps), np.sign(total)
    signed = errors * sign
    clear = np.abs(total) > CLEAR * errors.std(axis=0)
    above = np.quantile(np.where(clear, signed, np.abs(errors)).sum(axis=1), 1 - ALPHA / 2)
    below = np.quantile(-signed.sum(axis=1), 1 - ALPHA / 2)
    return Estimate(value, float(np.clip(value - above, 0, value)), float(np.clip(value + below, value, 1)), n)


def _gaps(probability: np.ndarray, outcome: np.ndarray, patients: np.ndarray) -> np.ndarray:
    """Sum of probability minus outcome of each patient's images in each bin, (patients, BINS)."""
    _, numbers = np.unique(patients, return_inverse=True)
    cells = numbers * BINS + bin_of(probability)
    return np.bincount(cells, probability - outcome, (int(numbers.max()) + 1) * BINS).reshape(-1, BINS)


def _errors(gaps: np.ndarray) -> np.ndarray:
    """Errors of the total gaps, (DRAWS, BINS): normal, with the covariance of the sum over patients.

    The root of the covariance is the symmetric one: it alone does not turn with the rounding of a machine.
    """
    away = gaps - gaps.mean(axis=0)
    scale, axes = np.linalg.eigh(len(gaps) / (len(gaps) - 1) * away.T @ away)
    normal = np.random.default_rng(SEED).standard_normal((DRAWS, BINS))
    return normal @ (axes * np.sqrt(np.maximum(scale, 0)) @ axes.T)
