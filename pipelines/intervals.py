"""95 % intervals of figures whose images come from patients: several images of one patient count as what they add.

Every interval takes `patients`, (n,) whole numbers from 0, one for each image. A variance is that of the sums over
patients (linearisation, which is what drawing patients again and again tends to: Efron 1982, the infinitesimal
jackknife). Where each patient has one image these are the usual intervals for independent images.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm, rankdata, t
from statsmodels.stats.proportion import proportion_confint

ALPHA = 0.05
Z = float(norm.ppf(1 - ALPHA / 2))


@dataclass(frozen=True)
class Estimate:
    """A figure, the number of images it is of, and its 95 % interval; None where it cannot be estimated."""

    value: float | None
    low: float | None
    high: float | None
    n: int

    def named(self, name: str) -> dict[str, float | int | None]:
        """As metrics.json holds it: `<name>`, `<name>_low`, `<name>_high` and `<name>_n`."""
        return {name: self.value, f"{name}_low": self.low, f"{name}_high": self.high, f"{name}_n": self.n}


@dataclass(frozen=True)
class AucParts:
    """An AUC and what each image adds to its error.

    Args:
        value: in [0, 1].
        influence: (n,), adding up to 0; the variance of the AUC is that of their sum over independent patients.
    """

    value: float
    influence: np.ndarray


def wilson(count: float, n: float) -> tuple[float, float] | None:
    """Interval of a proportion (Wilson 1927), inside [0, 1]; None of nothing.

    Args:
        count: how many of the n have the property.
    """
    if n == 0:
        return None
    low, high = proportion_confint(count, n, alpha=ALPHA, method="wilson")
    return max(float(low), 0.0), min(float(high), 1.0)


def proportion(hits: np.ndarray, of: np.ndarray, patients: np.ndarray) -> Estimate:
    """The share of some images that have a property: Wilson's interval with the effective number of images.

    Args:
        hits: (n,) bool, the images with the property.
        of: (n,) bool, the images that the share is of.
    """
    n = int(of.sum())
    if n == 0:
        return Estimate(None, None, None, 0)
    count = int((hits & of).sum())
    size = effective_size(hits[of].astype(float), patients[of])
    low, high = wilson(count / n * size, size) or (None, None)
    return Estimate(count / n, low, high, n)


def effective_size(values: np.ndarray, patients: np.ndarray) -> float:
    """How many independent images tell as much of a mean as these do (Korn and Graubard 1998).

    The number of images by the design effect, the ratio of the variance over patients to that of independent images,
    never taken below 1, and by what the t distribution of so few patients costs. Where all images agree the effect is
    unknown, and the images of a patient count as one.

    Args:
        values: (n,) 0 or 1, at least one.
    """
    sums, sizes = np.bincount(patients, values), np.bincount(patients)
    sums, sizes = sums[sizes > 0], sizes[sizes > 0]
    groups, n, centre = len(sizes), int(sizes.sum()), float(values.mean())
    if groups == n:
        return float(n)
    if np.ptp(values) == 0 or groups == 1:
        return float(groups)
    between = groups / (groups - 1) * float(((sums - centre * sizes) ** 2).sum()) / n**2
    effect = max(between * (n - 1) / float(values.var()), 1.0)
    few = (t.ppf(1 - ALPHA / 2, n - 1) / t.ppf(1 - ALPHA / 2, groups - 1)) ** 2
    return float(n / effect * few)


def mean(values: np.ndarray, patients: np.ndarray) -> Estimate:
    """The mean of values in [0, 1]."""
    if not len(values):
        return Estimate(None, None, None, 0)
    value = float(values.mean())
    return of_share(value, (values - value) / len(values), patients, len(values))


def of_share(
    value: float, influence: np.ndarray, patients: np.ndarray, n: int, errors: float | None = None
) -> Estimate:
    """A figure in [0, 1] with its interval on the scale of the logit, inside [0, 1].

    Where the figure is 0 or 1, or no patient differs from another, it is Wilson's with the number of patients: no
    figure in [0, 1] varies more than a proportion.

    Args:
        influence: (n,), what each image adds to the error of the figure.
        errors: how many standard errors the interval reaches; None: the `quantile` of the influence.
    """
    counted = len(np.unique(patients[influence != 0])) or len(np.unique(patients))
    if value in (0.0, 1.0) or not (error := standard_error(influence, patients)) > 0 or not np.isfinite(error):
        low, high = wilson(value * counted, counted) or (None, None)
        return Estimate(value, low, high, n)
    return Estimate(value, *_on_the_logit(value, error * (errors or quantile(influence, patients))), n)


def standard_error(influence: np.ndarray, patients: np.ndarray) -> float:
    """Standard error of a figure from what each image adds to its error; infinite with one patient alone."""
    sums = np.bincount(patients, influence)[np.bincount(patients) > 0]
    if len(sums) < 2:
        return float("inf")
    return float(np.sqrt(len(sums) / (len(sums) - 1) * (sums**2).sum()))


def quantile(influence: np.ndarray, patients: np.ndarray) -> float:
    """How many standard errors an interval reaches: of Student's t distribution, about 1.96 with many patients.

    Its degrees of freedom are Satterthwaite's (1946): as many as make the variance of the sums over patients as
    uncertain as their kurtosis says. Where few patients make all the error, as with an AUC near 1, they are few.
    """
    sums = np.bincount(patients, influence)[np.bincount(patients) > 0]
    spread = float((sums**2).mean())
    if len(sums) < 3 or not spread > 0:
        return Z
    kurtosis = max(float((sums**4).mean()) / spread**2, 1.0 + 2 / len(sums))
    return float(t.ppf(1 - ALPHA / 2, max(2 * len(sums) / (kurtosis - 1), 2.0)))


def auc_parts(positive: np.ndarray, score: np.ndarray) -> AucParts | None:
    """AUC by the ranks of Sun & Xu 2014 (10.1109/LSP.2014.2337313); None with one class alone.

    Args:
        positive: (n,) bool, the truth.
        score: (n,), higher where positive is more likely; ties count half.
    """
    hits, others = int(positive.sum()), int((~positive).sum())
    if not hits or not others:
        return None
    ranks, influence = rankdata(score), np.empty(len(score))
    beaten = (ranks[positive] - rankdata(score[positive])) / others
    outdone = 1 - (ranks[~positive] - rankdata(score[~positive])) / hits
    value = float(beaten.mean())
    influence[positive], influence[~positive] = (beaten - value) / hits, (outdone - value) / others
    return AucParts(value, influence)


def auc_error(parts: AucParts, positive: np.ndarray, patients: np.ndarray) -> float:
    """Standard error of an AUC over patients (Obuchowski 1997, 10.2307/2533958); DeLong's (1988) with one image each.

    Infinite where a class has one patient.
    """
    images = np.stack([np.where(positive, parts.influence, 0.0), np.where(positive, 0.0, parts.influence)])
    sums = np.stack([np.bincount(patients, row, int(patients.max()) + 1) for row in images])
    ill, healthy = (len(np.unique(patients[chosen])) for chosen in (positive, ~positive))
    both = len(np.unique(patients))
    if min(ill, healthy) < 2:
        return float("inf")
    variance = ill / (ill - 1) * (sums[0] ** 2).sum() + healthy / (healthy - 1) * (sums[1] ** 2).sum()
    variance += 2 * both / (both - 1) * (sums[0] * sums[1]).sum()
    return float(np.sqrt(max(variance, 0.0)))


def auc(positive: np.ndarray, score: np.ndarray, patients: np.ndarray) -> Estimate:
    """AUC, and its interval inside [0, 1] (`of_auc`); None with one class alone.

    Args:
        positive: (n,) bool, the truth.
        score: (n,), higher where positive is more likely.
    """
    parts = auc_parts(positive, score)
    return of_auc(parts, positive, patients) if parts else Estimate(None, None, None, len(score))


def of_auc(parts: AucParts, positive: np.ndarray, patients: np.ndarray, errors: float | None = None) -> Estimate:
    """An AUC with its interval inside [0, 1].

    The interval is on the scale of the logit (Pepe 2003), with the reach of `quantile`. Where the variance is 0 or
    unknown (classes told apart without a fault, one score for all, one patient in a class), it is Newcombe's, of
    patients.

    Args:
        positive: (n,) bool, the truth.
        errors: how many standard errors the interval reaches; None: the `quantile` of what each image adds.
    """
    error = auc_error(parts, positive, patients)
    # An AUC whose standard error is rounding, and no more, is one without variance.
    if parts.value in (0.0, 1.0) or not 1e-9 < error < np.inf:
        sizes = [len(np.unique(patients[chosen])) for chosen in (positive, ~positive)]
        return Estimate(parts.value, *newcombe(parts.value, *sizes), len(positive))
    reach = error * (errors or quantile(parts.influence, patients))
    return Estimate(parts.value, *_on_the_logit(parts.value, reach), len(positive))


def average_precision(positive: np.ndarray, score: np.ndarray, patients: np.ndarray) -> Estimate:
    """Average precision, the area under the steps of the precision-recall curve; ties are taken together.

    Args:
        positive: (n,) bool, the truth.
        score: (n,), higher where positive is more likely.
    """
    if not positive.any():
        return Estimate(None, None, None, len(score))
    order = np.argsort(-score, kind="stable")
    truth, owners = positive[order].astype(np.float64), patients[order]
    ends = np.searchsorted(-score[order], -score[order], side="right") - 1
    called, precision = ends + 1.0, np.cumsum(truth)[ends] / (ends + 1.0)
    hits, value = float(truth.sum()), float((truth * precision).sum() / truth.sum())
    # Weight on an image moves its own term, and the precision at every positive image that does not rank above it.
    starts = np.searchsorted(-score[order], -score[order], side="left")
    alone, shared = (_from(starts, truth * term / called) for term in (1.0, precision))
    influence = (truth * (precision - value + alone) - shared) / hits
    return of_share(value, influence, owners, len(score))


def _from(starts: np.ndarray, terms: np.ndarray) -> np.ndarray:
    """Sum of the terms from each start to the end."""
    return np.cumsum(terms[::-1])[::-1][starts]


def newcombe(value: float, positives: int, negatives: int) -> tuple[float, float]:
    """Interval of an AUC from the AUC and the sizes alone: Newcombe 2006, part 2, method 5 (10.1002/sim.2324).

    All AUCs from which this one is not further than Z standard errors, the error being that of the assumed AUC; so
    it says something even of an AUC of 1.
    """
    return _newcombe_low(value, positives, negatives), 1 - _newcombe_low(1 - value, positives, negatives)


def _newcombe_low(value: float, positives: int, negatives: int) -> float:
    def gap(assumed: float) -> float:
        return (value - assumed) ** 2 - Z**2 * _hanley_mcneil(assumed, positives, negatives)

    # At an AUC of 1 the highest root is 1 itself; the bound is the root below it.
    return 0.0 if value <= 0 else float(brentq(gap, 0.0, min(value, 1 - 1e-9)))


def _hanley_mcneil(value: float, positives: int, negatives: int) -> float:
    """Variance of an AUC under exponential scores, both classes taken to be as large as their mean."""
    size = (positives + negatives) / 2
    spread = 1 + (size - 1) * ((1 - value) / (2 - value) + value / (1 + value))
    return value * (1 - value) * spread / (positives * negatives)


def _on_the_logit(value: float, reach: float) -> tuple[float, float]:
    """The ends of an interval that reaches so far on the scale of the figure, drawn on that of the logit."""
    centre, reach = np.log(value / (1 - value)), reach / (value * (1 - value))
    return _logistic(centre - reach), _logistic(centre + reach)


def _logistic(value: float) -> float:
    return float(1 / (1 + np.exp(-value)))
