"""The design effect: how many times as many films of patients it takes to tell as much as independent films would.

Films of one patient are alike, so that a window of 100 films of 50 patients says less than 100 patients would. The log
knows no patients, but the reference does: its design effect, statistic by statistic, is taken for that of a window as
well. A test statistic of films is then corrected to first order, which is to count effective films (Rao and Scott
1981, 10.1080/01621459.1981.10477633).
"""

import numpy as np

POINTS = 19  # thresholds at which a distribution is looked at


def of_numbers(values: np.ndarray, patients: np.ndarray) -> float:
    """Design effect of the empirical distribution function, at least 1.

    The variance of the shares of films at or below POINTS quantiles, over patients and over independent films: the
    ratio of their sums, in which the middle of the distribution, where it varies most, weighs most.

    Args:
        values: (n,) of films.
        patients: (n,) whole numbers.
    """
    points = np.unique(np.quantile(values, np.linspace(0, 1, POINTS + 2)[1:-1], method="inverted_cdf"))
    return _ratio(values[:, None] <= points, patients, np.ones(len(points)))


def of_shares(values: np.ndarray, patients: np.ndarray) -> float:
    """Design effect of the shares of categories, at least 1: the mean of the generalised ones of a chi-square test."""
    names = np.unique(values)
    hits = values[:, None] == names
    return _ratio(hits, patients, 1 / hits.mean(axis=0))


def _ratio(hits: np.ndarray, patients: np.ndarray, weights: np.ndarray) -> float:
    """Weighted sum of the variances of shares over patients, by that over independent films.

    Where no share varies the effect is unknown, and the films of a patient count as one.

    Args:
        hits: (n, shares) bool.
    """
    _, owners = np.unique(patients, return_inverse=True)
    sizes = np.bincount(owners).astype(float)
    n, groups, shares = len(owners), len(sizes), hits.mean(axis=0)
    alone = float((weights * shares * (1 - shares)).sum()) * n**2 / max(n - 1, 1)
    if groups == n:
        return 1.0
    if not alone > 1e-12 or groups == 1:
        return float((sizes**2).sum() / n)
    sums = np.stack([np.bincount(owners, column) for column in hits.T], axis=1)
    between = groups / (groups - 1) * ((sums - sizes[:, None] * shares) ** 2).sum(axis=0)
    return max(float((weights * between).sum()) / alone, 1.0)
