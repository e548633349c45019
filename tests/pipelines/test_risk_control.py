import math

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from pipelines.risk_control import EDGES, edge_level, p_values, patients_needed, proven_cut, proven_edge

ONE_EACH = np.arange(100)


def p_value(total, patients, limit, single):
    return float(p_values(np.array([total], dtype=float), patients, limit, single)[0])


@pytest.mark.parametrize(("misses", "patients"), [(0, 29), (3, 60), (12, 90)])
def test_with_one_film_a_patient_the_p_value_is_that_of_the_exact_binomial_test(misses, patients):
    expected = binomtest(misses, patients, 0.1, alternative="less").pvalue
    assert p_value(misses, patients, 0.1, single=True) == pytest.approx(expected)


def test_with_several_films_a_patient_it_is_hoeffdings_bound_by_hand():
    entropy = 0.05 * math.log(0.05 / 0.1) + 0.95 * math.log(0.95 / 0.9)
    assert p_value(2.0, 40, 0.1, single=False) == pytest.approx(math.exp(-40 * entropy))


def test_where_bentkus_is_the_smaller_bound_it_is_taken():
    bentkus = math.e * sum(math.comb(400, k) * 0.1**k * 0.9 ** (400 - k) for k in range(22))
    assert p_value(20.5, 400, 0.1, single=False) == pytest.approx(bentkus)


def test_with_no_loss_both_ways_agree():
    assert p_value(0, 29, 0.1, single=False) == pytest.approx(p_value(0, 29, 0.1, single=True))


def test_a_sum_that_is_whole_but_for_rounding_counts_as_whole():
    thirds = np.cumsum(np.full(3000, 1 / 3))[[59]]
    assert p_values(thirds, 1000, 0.05, False) == pytest.approx(p_value(20, 1000, 0.05, False))


@pytest.mark.parametrize("single", [True, False])
def test_more_loss_is_never_better_proven(single):
    assert (np.diff(p_values(np.arange(61.0), 60, 0.1, single)) >= 0).all()
    assert p_value(60, 60, 0.1, single) <= 1


@pytest.mark.parametrize(("limit", "level", "expected"), [(0.1, 0.05, 29), (0.05, 0.05, 59), (0.5, 0.25, 2)])
def test_the_number_of_patients_needed_is_that_computed_by_hand(limit, level, expected):
    assert patients_needed(limit, level) == expected
    assert (1 - limit) ** expected <= level < (1 - limit) ** (expected - 1)


def test_no_number_of_patients_proves_that_there_is_never_an_error():
    assert patients_needed(0.0, 0.05) is None


@pytest.mark.parametrize(("patients", "proven"), [(28, False), (29, True)])
def test_a_cut_is_proven_from_the_needed_number_of_patients_on(patients, proven):
    score = np.linspace(0.2, 0.9, patients)
    assert proven_cut(score, np.arange(patients), 0.9, 0.95) == (pytest.approx(0.2), proven)


def test_the_highest_proven_cut_misses_as_many_as_the_binomial_test_allows():
    allowed = max(k for k in range(100) if binom.cdf(k, 100, 0.1) <= 0.05)
    assert proven_cut(ONE_EACH / 100, ONE_EACH, 0.9, 0.95) == (allowed / 100, True)


def test_many_films_of_one_patient_prove_no_more_than_one():
    score = np.linspace(0.2, 0.9, 100)
    assert proven_cut(score, np.zeros(100, dtype=int), 0.9, 0.95) == (pytest.approx(0.2), False)


def test_films_of_the_same_score_are_missed_together():
    score = np.repeat(np.arange(10) / 10, 10)
    cut, proven = proven_cut(score, ONE_EACH, 0.8, 0.95)
    assert proven
    assert cut == pytest.approx(0.1)


def test_more_confidence_and_more_sensitivity_never_raise_the_cut(rng):
    score, patients = rng.random(300), rng.integers(0, 120, 300)
    patients = np.unique(patients, return_inverse=True)[1]
    by_confidence = [proven_cut(score, patients, 0.9, confidence)[0] for confidence in (0.5, 0.8, 0.95, 0.99)]
    by_minimum = [proven_cut(score, patients, minimum, 0.95)[0] for minimum in (0.6, 0.7, 0.8, 0.9)]
    for cuts in (by_confidence, by_minimum):
        assert cuts == sorted(cuts, reverse=True)
        assert cuts[0] > cuts[-1]


def test_an_edge_is_proven_as_far_as_enough_patients_are_answered_rightly():
    score, patients, wrong = np.arange(800) / 800, np.arange(800), np.arange(800) >= 600
    assert proven_edge(score, wrong, patients, 0.05, 0.95) == score[599]
    assert proven_edge(score, np.zeros(800, dtype=bool), patients, 0.05, 0.95) == math.inf


def test_an_edge_shares_its_level_with_all_that_are_tested():
    assert edge_level(0.95) == pytest.approx(0.05 / (2 * EDGES))
    needed = patients_needed(0.05, edge_level(0.95))
    for patients, expected in ((needed - 1, None), (needed, math.inf)):
        right = np.zeros(patients, dtype=bool)
        assert proven_edge(np.arange(patients) / patients, right, np.arange(patients), 0.05, 0.95) == expected


def test_several_films_of_a_patient_count_as_the_share_that_is_wrong():
    patients = np.repeat(np.arange(200), 3)
    wrong = np.tile([True, False, False], 200)
    score = np.arange(600) / 600
    assert proven_edge(score, wrong, patients, 0.2, 0.95) is None
    assert proven_edge(score, wrong, patients, 0.6, 0.95) == math.inf


def test_nothing_is_proven_of_a_side_without_films():
    nothing = np.array([])
    assert proven_edge(nothing, nothing.astype(bool), nothing.astype(int), 0.1, 0.95) is None
