"""Paired differences of two models that answered the same images, with 95 % intervals over patients."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from statsmodels.stats.contingency_tables import mcnemar

from pipelines.evaluation.predictions import probabilities
from pipelines.evaluation.rest import macro_auc_parts
from pipelines.intervals import AucParts, Estimate, Z, auc_parts, effective_size, of_auc, of_share, quantile
from pipelines.recipe import LabelParams

EDGE, JUST = 1 - 1e-12, 1e-9


def auc_difference(
    table: pd.DataFrame, other: pd.DataFrame, labels: LabelParams, patients: np.ndarray
) -> dict[str, Any] | None:
    """Paired difference of two AUCs, of the macro means with more than two classes; None with one class alone.

    The interval comes from those of the two AUCs and the correlation of their errors (MOVER: Zou and Yue 2013,
    10.1080/10543406.2012.756500), because near 1 the error of an AUC is lopsided, and a symmetric interval of the
    difference (DeLong et al. 1988) is too sure of the worse model. Both reach as many standard errors as the error of
    the difference asks for.

    Args:
        table: of predictions of the challenger; `other` those of the champion, in the same order.
        patients: (n,) whole numbers from 0.
    """
    target = table["target"].to_numpy()
    mine, theirs = (_auc_parts(one, target, labels) for one in (table, other))
    if mine is None or theirs is None:
        return None
    errors = quantile(mine.influence - theirs.influence, patients)
    if labels.positive is None:
        new, old = (of_share(one.value, one.influence, patients, len(table), errors) for one in (mine, theirs))
    else:
        new, old = (of_auc(one, target == labels.positive_index, patients, errors) for one in (mine, theirs))
    low, high = _recovered(new, old, correlation(mine.influence, theirs.influence, patients))
    return _difference(old.value, new.value, low, high, len(table), p=None)


def proportion_difference(
    mine: np.ndarray, theirs: np.ndarray, of: np.ndarray, patients: np.ndarray
) -> dict[str, Any] | None:
    """Paired difference of two proportions, with McNemar's exact test; None of nothing.

    The interval is the score interval (`score_interval`) with the effective number of images, as several of a patient
    count as what they add. The test (McNemar 1947) takes images as independent.

    Args:
        mine: (n,) bool, the images that the challenger calls rightly.
        theirs: (n,) bool, those that the champion does.
        of: (n,) bool, the images that the proportion is of.
    """
    if not (n := int(of.sum())):
        return None
    new, old = (float(right[of].mean()) for right in (mine, theirs))
    won, lost = int((mine & ~theirs & of).sum()), int((theirs & ~mine & of).sum())
    test = mcnemar([[0, won], [lost, 0]], exact=True)
    scale = effective_size(mine[of].astype(float) - theirs[of], patients[of]) / n
    low, high = score_interval(won * scale, lost * scale, n * scale)
    return _difference(old, new, low, high, n, p=float(test.pvalue))


def score_interval(won: float, lost: float, n: float) -> tuple[float, float]:
    """Interval of a difference of two paired proportions: Tango 1998 (10.1002/(sici)1097-0258(19980430)17:8<891).

    All differences from which this one is not further than Z standard errors, the error being that of the assumed
    difference. So it keeps the error rate of a test of non-inferiority, also where almost all images are called
    rightly; intervals made from those of the two proportions do not.

    Args:
        won: images that the first calls rightly and the second wrongly.
        lost: the other way round.
        n: all images, of these and of those that both call alike.
    """
    return -_score_end(lost, won, n), _score_end(won, lost, n)


def _score_end(won: float, lost: float, n: float) -> float:
    """The upper end."""
    difference = (won - lost) / n

    def gap(assumed: float) -> float:
        return (won - lost - n * assumed) ** 2 - Z**2 * _score_variance(won, lost, n, assumed)

    start = difference + JUST  # at the difference itself the variance may be 0, and so the gap
    return float(brentq(gap, start, EDGE)) if start < EDGE and gap(EDGE) > 0 else 1.0


def _score_variance(won: float, lost: float, n: float, assumed: float) -> float:
    """Variance of won less lost, were the difference as assumed: the share lost is then what is most likely."""
    linear = (2 * n - won + lost) * assumed - won - lost
    root = np.sqrt(max(linear**2 + 8 * n * lost * assumed * (1 - assumed), 0.0))
    return float(n * ((root - linear) / (2 * n) + assumed * (1 - assumed)))


def correlation(one: np.ndarray, other: np.ndarray, patients: np.ndarray) -> float:
    """Correlation of the errors of two figures over patients, from what each image adds to them; 0 without errors."""
    first, second = (np.bincount(patients, influence) for influence in (one, other))
    size = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / size if size > 0 else 0.0


def _recovered(mine: Estimate, theirs: Estimate, shared: float) -> tuple[float, float]:
    """The interval of a difference, whose variances are recovered from the ends of two intervals."""
    difference = (mine.value or 0.0) - (theirs.value or 0.0)
    reaches = []
    for end, opposite in (("low", "high"), ("high", "low")):
        away = (mine.value or 0.0) - getattr(mine, end)
        across = (theirs.value or 0.0) - getattr(theirs, opposite)
        reaches.append(np.sqrt(max(away**2 + 2 * shared * away * across + across**2, 0.0)))
    return difference - reaches[0], difference + reaches[1]


def _auc_parts(table: pd.DataFrame, target: np.ndarray, labels: LabelParams) -> AucParts | None:
    chances = probabilities(table, labels)
    if labels.positive is None:
        return macro_auc_parts(chances, target)
    return auc_parts(target == labels.positive_index, chances[:, labels.positive_index])


def _difference(
    champion: float | None, challenger: float | None, low: float, high: float, n: int, p: float | None
) -> dict[str, Any]:
    return {
        "champion": champion,
        "challenger": challenger,
        "difference": (challenger or 0.0) - (champion or 0.0),
        "low": float(low),
        "high": float(high),
        "p": p,
        "n": n,
    }
