"""What validation proves about new patients: tests of a mean loss, and the answers that pass them.

The films of one patient are alike, so the unit is the patient. His loss is the share of his films that are answered
wrongly, in [0, 1]; the risk is its mean over all patients from whom those of validation were drawn. A risk above the
limit is the null hypothesis, and what the tests reject is proven.

Sources: Bates et al. 2021, "Distribution-free, risk-controlling prediction sets" (10.1145/3478535), for the p-value and
for losses that only rise; Angelopoulos et al. 2021, "Learn then test" (arXiv 2110.01052), for all others.
"""

import math

import numpy as np
from scipy.special import rel_entr
from scipy.stats import binom

EDGES = 8
SIDES = 2
ROUNDING = 1e-9


def p_values(total: np.ndarray, patients: int, limit: float, single: bool) -> np.ndarray:
    """Chance of so small a total loss or a smaller one, were the risk above the limit.

    Args:
        total: (m,), each a sum of the losses of the same number of independent patients.
        limit: of the risk, in (0, 1).
        single: whether each patient has one film, so that a loss is 0 or 1. Then the binomial tail is exact; else it is
            the smaller of Hoeffding's bound, in its form with the relative entropy, and Bentkus's (Bates et al. 2021,
            section 3.1). Without any loss both are the same.
    Returns:
        (m,) in [0, 1].
    """
    if single:
        return np.asarray(binom.cdf(np.rint(total), patients, limit))
    mean = np.clip(total / patients, 0, limit)
    hoeffding = np.exp(-patients * (rel_entr(mean, limit) + rel_entr(1 - mean, 1 - limit)))
    bentkus = math.e * binom.cdf(np.ceil(total - ROUNDING * patients), patients, limit)
    return np.minimum(hoeffding, bentkus)


def patients_needed(limit: float, level: float) -> int | None:
    """How many patients without any loss prove at this level that the risk is not above the limit; None: no number."""
    return math.ceil(math.log(level) / math.log1p(-limit) - ROUNDING) if limit > 0 else None


def proven_cut(score: np.ndarray, patients: np.ndarray, minimum: float, confidence: float) -> tuple[float, bool]:
    """The highest cut that a patient's films reach often enough, as far as that is proven.

    Cuts are tested from the lowest upward, each at the full level, until one fails. As the loss only rises with the
    cut, the risk is controlled at all cuts at once (Bates et al. 2021, theorem 1).

    Args:
        score: (n,) of the films that should reach the cut, n > 0.
        patients: (n,) numbers from 0.
        minimum: of the mean share of a patient's films that reach the cut, in (0, 1).
    Returns:
        A score that may be the cut: all films from it on are found; the lowest score and False where nothing is proven.
    """
    count = np.bincount(patients)
    order = np.argsort(score, kind="stable")
    cuts = score[order]
    lost = np.concatenate(([0.0], np.cumsum(1 / count[patients[order]])))
    total = lost[np.searchsorted(cuts, cuts)]  # films of the same score are lost together
    found = p_values(total, int(np.count_nonzero(count)), 1 - minimum, single=bool(count.max() == 1))
    failed = np.flatnonzero(~_rejects(found, 1 - confidence))
    first = int(failed[0]) if len(failed) else len(cuts)
    return float(cuts[max(first - 1, 0)]), first > 0


def proven_edge(
    score: np.ndarray, wrong: np.ndarray, patients: np.ndarray, error: float, confidence: float
) -> float | None:
    """The highest score up to which answers are proven to be wrong in at most a share `error`.

    This risk may rise and fall with the score. So a few edges are tested, at ranks that are fixed beforehand, and share
    the level with those of the other side of the threshold (Bonferroni). That the threshold was chosen on the same
    films is not covered by the theory; the tests draw validation many times over and find the promise kept.

    Args:
        score: (n,) of the films on one side of the threshold, the surest lowest.
        wrong: (n,) bool, whether the answer on this side is wrong.
        patients: (n,) numbers from 0.
    Returns:
        A score; infinity where all films of this side may be answered; None where nothing is proven.
    """
    if not len(score) or error == 0:
        return None
    ranks = np.ceil(len(score) * np.arange(1, EDGES + 1) / EDGES).astype(int) - 1
    edges = np.sort(score)[ranks]
    found = [_p_value(wrong[score <= edge], patients[score <= edge], error) for edge in edges]
    passed = np.flatnonzero(_rejects(np.array(found), edge_level(confidence)))
    if not len(passed):
        return None
    return float("inf") if edges[passed[-1]] == edges[-1] else float(edges[passed[-1]])


def edge_level(confidence: float) -> float:
    """The level at which one edge is tested, so that all of both sides hold at once with this confidence."""
    return (1 - confidence) / (SIDES * EDGES)


def _p_value(wrong: np.ndarray, patients: np.ndarray, limit: float) -> float:
    films = np.bincount(patients)
    losses = np.bincount(patients, weights=wrong)[films > 0] / films[films > 0]
    return float(p_values(np.array([losses.sum()]), len(losses), limit, single=bool(films.max() == 1))[0])


def _rejects(found: np.ndarray, level: float) -> np.ndarray:
    return found <= level * (1 + ROUNDING)
