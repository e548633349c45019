import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from statsmodels.stats.contingency_tables import mcnemar

from pipelines.evaluation.paired import proportion_difference, score_interval
from pipelines.intervals import Z


def test_mcnemar_is_that_of_statsmodels(rng):
    mine, theirs = rng.random(200) < 0.8, rng.random(200) < 0.7
    found = proportion_difference(mine, theirs, np.ones(200, bool), np.arange(200))
    won, lost = (mine & ~theirs).sum(), (theirs & ~mine).sum()
    assert found["p"] == pytest.approx(mcnemar([[0, won], [lost, 0]], exact=True).pvalue)
    assert found["difference"] == pytest.approx((won - lost) / 200)


@pytest.mark.parametrize(
    ("won", "lost", "n", "low", "high"),
    [(7, 1, 21, 0.026, 0.517), (1, 7, 21, -0.517, -0.026)],
)
def test_the_score_interval_is_that_of_other_software(won, lost, n, low, high):
    """Airway reactivity before and after a transplant: Fagerland et al. 2014, with R's packages PropCIs and ratesci."""
    assert score_interval(won, lost, n) == pytest.approx((low, high), abs=5e-4)


def most_likely(assumed, lost, won, n):
    """The share lost that is most likely, were the difference as assumed: by search, not by formula."""

    def loss(share):
        parts = [(won, share + assumed), (lost, share), (n - won - lost, 1 - 2 * share - assumed)]
        return -sum(count * np.log(chance) for count, chance in parts if count)

    bounds = (max(0.0, -assumed) + 1e-12, (1 - assumed) / 2 - 1e-12)
    return minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-13}).x


@pytest.mark.parametrize(("won", "lost", "n"), [(7, 1, 21), (12, 2, 50), (86, 150, 1600), (5, 9, 160), (3, 0, 40)])
def test_at_its_ends_the_score_reaches_the_quantile_of_the_normal_distribution(won, lost, n):
    for end in score_interval(won, lost, n):
        share = most_likely(end, lost, won, n)
        error = np.sqrt(n * (2 * share + end * (1 - end)))
        assert abs(won - lost - n * end) / error == pytest.approx(Z, abs=1e-5)


@pytest.mark.parametrize("n", [1, 5, 30, 5000])
def test_without_any_different_answer_the_interval_is_that_of_a_share_of_none(n):
    assert score_interval(0, 0, n) == pytest.approx((-(Z**2) / (n + Z**2), Z**2 / (n + Z**2)), rel=1e-6)


@pytest.mark.parametrize(("won", "lost", "n"), [(4, 0, 4), (0, 4, 4), (1, 0, 1), (2, 2, 4)])
def test_the_ends_lie_between_minus_one_and_one_about_the_difference(won, lost, n):
    low, high = score_interval(won, lost, n)
    assert -1 <= low <= (won - lost) / n <= high <= 1
    assert low < high
    assert score_interval(lost, won, n) == (-high, -low)


def test_several_films_of_a_patient_decide_less():
    mine, theirs = np.repeat([True, False, True], [30, 10, 60]), np.repeat([False, True, True], [30, 10, 60])
    alone = proportion_difference(mine, theirs, np.ones(100, bool), np.arange(100))
    of_few = proportion_difference(mine, theirs, np.ones(100, bool), np.arange(100) // 5)
    assert of_few["high"] - of_few["low"] > 1.5 * (alone["high"] - alone["low"])
