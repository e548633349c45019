"""95 % intervals of a proportion and of the area under the ROC curve (AUC).

Images count as independent. Where several are of one patient the intervals are somewhat too narrow.
"""

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm, rankdata
from statsmodels.stats.proportion import proportion_confint

ALPHA = 0.05
Z = float(norm.ppf(1 - ALPHA / 2))


def wilson(count: int, n: int) -> tuple[float, float] | None:
    """Interval of a proportion (Wilson 1927), inside [0, 1]; None of nothing.

    Args:
        count: how many of the n have the property.
    """
    if n == 0:
        return None
    low, high = proportion_confint(count, n, alpha=ALPHA, method="wilson")
    return max(float(low), 0.0), min(float(high), 1.0)


def delong(positive: np.ndarray, score: np.ndarray) -> tuple[float, float] | None:
    """AUC and its variance (DeLong et al. 1988), by the ranks of Sun & Xu 2014 (10.1109/LSP.2014.2337313).

    Args:
        positive: (n,) bool, the truth.
        score: (n,), higher where positive is more likely; ties count half.
    Returns:
        The AUC in [0, 1] and its variance, infinite with one image in a class; None with none in a class.
    """
    hits, others = int(positive.sum()), int((~positive).sum())
    if not hits or not others:
        return None
    ranks = rankdata(score)
    beaten = (ranks[positive] - rankdata(score[positive])) / others
    outdone = 1 - (ranks[~positive] - rankdata(score[~positive])) / hits
    return float(beaten.mean()), _variance_of_mean(beaten) + _variance_of_mean(outdone)


def auc_interval(positive: np.ndarray, score: np.ndarray) -> tuple[float, float, float] | None:
    """AUC, and its interval inside [0, 1]; None with one class alone.

    The interval is DeLong's on the scale of the logit (Pepe 2003). Where DeLong's variance is 0 or unknown
    (classes told apart without a fault, one score for all, one image in a class), it is Newcombe's.

    Args:
        positive: (n,) bool, the truth.
        score: (n,), higher where positive is more likely.
    """
    if (found := delong(positive, score)) is None:
        return None
    auc, variance = found
    if not 0 < variance < np.inf or auc in (0, 1):
        return auc, *newcombe(auc, int(positive.sum()), int((~positive).sum()))
    centre, reach = np.log(auc / (1 - auc)), Z * np.sqrt(variance) / (auc * (1 - auc))
    return auc, _logistic(centre - reach), _logistic(centre + reach)


def newcombe(auc: float, positives: int, negatives: int) -> tuple[float, float]:
    """Interval of an AUC from the AUC and the sizes alone: Newcombe 2006, part 2, method 5 (10.1002/sim.2324).

    All AUCs from which this one is not further than Z standard errors, the error being that of the assumed AUC; so
    it says something even of an AUC of 1.
    """
    return _newcombe_low(auc, positives, negatives), 1 - _newcombe_low(1 - auc, positives, negatives)


def _newcombe_low(auc: float, positives: int, negatives: int) -> float:
    def gap(assumed: float) -> float:
        return (auc - assumed) ** 2 - Z**2 * _hanley_mcneil(assumed, positives, negatives)

    # At an AUC of 1 the highest root is 1 itself; the bound is the root below it.
    return 0.0 if auc <= 0 else float(brentq(gap, 0.0, min(auc, 1 - 1e-9)))


def _hanley_mcneil(auc: float, positives: int, negatives: int) -> float:
    """Variance of an AUC under exponential scores, both classes taken to be as large as their mean."""
    size = (positives + negatives) / 2
    spread = 1 + (size - 1) * ((1 - auc) / (2 - auc) + auc / (1 + auc))
    return auc * (1 - auc) * spread / (positives * negatives)


def _variance_of_mean(values: np.ndarray) -> float:
    if len(values) == 1:
        return float("inf")
    return float(values.var(ddof=1)) / len(values) if np.ptp(values) > 0 else 0.0


def _logistic(value: float) -> float:
    return float(1 / (1 + np.exp(-value)))
