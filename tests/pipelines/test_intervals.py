import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pipelines.intervals import auc_interval, delong, wilson


@pytest.mark.parametrize(
    ("count", "n", "low", "high"),
    [(220, 234, 0.902, 0.964), (0, 10, 0.0, 0.278), (10, 10, 0.722, 1.0)],
)
def test_a_proportion_has_the_interval_of_wilson(count, n, low, high):
    assert wilson(count, n) == pytest.approx((low, high), abs=5e-4)


def test_a_proportion_of_nothing_has_no_interval():
    assert wilson(0, 0) is None


def test_delong_by_hand():
    """Positives 3, 2, 5 against negatives 1, 2: they beat 2, 1.5 and 2 of the 2, in all 5.5 of 6."""
    positive = np.array([1, 1, 1, 0, 0], dtype=bool)
    area, variance = delong(positive, np.array([3.0, 2.0, 5.0, 1.0, 2.0]))
    assert area == pytest.approx(5.5 / 6)
    of_positives = np.var([1.0, 0.75, 1.0], ddof=1) / 3
    of_negatives = np.var([1.0, 2.5 / 3], ddof=1) / 2
    assert variance == pytest.approx(of_positives + of_negatives)


@pytest.fixture
def overlapping(rng):
    positive = np.arange(400) % 3 == 0
    return positive, np.round(rng.normal(positive * 1.2, 1.0), 1)


def test_the_area_is_that_of_scikit_learn_ties_included(overlapping):
    assert delong(*overlapping)[0] == pytest.approx(roc_auc_score(*overlapping))


def test_the_interval_agrees_with_a_bootstrap(overlapping, rng):
    positive, score = overlapping
    areas = []
    for _ in range(1000):
        drawn = rng.integers(0, len(score), len(score))
        areas.append(roc_auc_score(positive[drawn], score[drawn]))
    _, low, high = auc_interval(positive, score)
    assert (low, high) == pytest.approx(tuple(np.quantile(areas, [0.025, 0.975])), abs=0.012)


def test_a_perfect_area_is_not_certain():
    positive = np.arange(40) < 20
    area, low, high = auc_interval(positive, positive.astype(float))
    assert (area, high) == (1.0, 1.0)
    assert 0.7 < low < 0.99


def test_more_films_prove_more(rng):
    few, many = np.arange(40) < 20, np.arange(400) < 200
    assert auc_interval(few, few * 1.0)[1] < auc_interval(many, many * 1.0)[1]


def test_one_class_alone_has_no_area():
    assert auc_interval(np.ones(4, dtype=bool), np.arange(4.0)) is None
