import numpy as np
import pytest

from pipelines.monitoring.effect import of_numbers, of_shares


def test_independent_films_count_in_full(rng):
    assert of_numbers(rng.normal(size=200), np.arange(200)) == 1.0
    assert of_shares(rng.choice(["a", "b"], 200), np.arange(200)) == 1.0


def test_films_that_repeat_their_patient_count_once(rng):
    patients = np.repeat(np.arange(400), 3)
    assert of_numbers(np.repeat(rng.normal(size=400), 3), patients) == pytest.approx(3, abs=0.05)
    assert of_shares(np.repeat(rng.choice(["a", "b", "c"], 400), 3), patients) == pytest.approx(3, abs=0.05)


def test_films_of_a_patient_that_have_nothing_in_common_count_almost_in_full(rng):
    patients = np.repeat(np.arange(2000), 3)
    assert 1 <= of_numbers(rng.normal(size=6000), patients) < 1.15


def test_a_distribution_function_varies_as_much_as_the_effect_says(rng):
    def drawn():
        own, owner = rng.normal(size=150), np.repeat(np.arange(150), 4)
        return own[owner] + rng.normal(size=600), owner

    shares = [(drawn()[0] <= 0).mean() for _ in range(600)]
    found = np.var(shares) * 600 / 0.25
    told = np.mean([of_numbers(*drawn()) for _ in range(50)])
    assert told == pytest.approx(found, rel=0.2)
    assert told > 1.5


def test_where_nothing_varies_the_films_of_a_patient_count_as_one():
    patients = np.array([0, 0, 0, 1])
    assert of_numbers(np.ones(4), patients) == pytest.approx((9 + 1) / 4)
    assert of_shares(np.array(["L"] * 4), patients) == pytest.approx((9 + 1) / 4)


def test_missing_numbers_are_below_all_others():
    values = np.array([-np.inf, -np.inf, 3.0, 4.0])
    assert of_numbers(values, np.array([0, 0, 1, 1])) >= 1
