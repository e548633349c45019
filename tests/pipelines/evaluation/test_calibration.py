import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from pipelines.evaluation.calibration import calibration_error, reliability
from pipelines.intervals import wilson


@pytest.fixture
def honest(rng):
    """Probabilities that come true as often as they say."""
    probability = rng.random(3000)
    return probability, rng.random(3000) < probability, np.arange(3000)


def test_the_curve_is_that_of_scikit_learn(honest):
    observed, mean = calibration_curve(honest[1], honest[0], n_bins=10)
    found = reliability(*honest)
    assert found["observed"].to_numpy() == pytest.approx(observed, abs=1e-12)
    assert found["probability"].to_numpy() == pytest.approx(mean, abs=1e-12)
    assert found["n"].sum() == 3000


def test_a_bin_has_the_interval_of_wilson(honest):
    first = reliability(*honest).iloc[0]
    assert (first["low"], first["high"]) == pytest.approx(wilson(first["observed"] * first["n"], first["n"]))


def test_the_error_is_the_weighted_gap_of_the_bins(honest):
    bins = reliability(*honest)
    gap = (bins["n"] * (bins["probability"] - bins["observed"]).abs()).sum() / 3000
    assert calibration_error(*honest).value == pytest.approx(gap, abs=1e-12)


def test_the_interval_is_that_of_one_gap_where_there_is_but_one(rng):
    """All films are given 0.35 by patients of three films each: the error is that of a mean."""
    patients = np.repeat(np.arange(400), 3)
    outcome = np.repeat(rng.random(400), 3) < 0.6
    found = calibration_error(np.full(1200, 0.35), outcome, patients)
    assert found.value == pytest.approx(abs(outcome.mean() - 0.35))
    reach = 1.96 * outcome[::3].std(ddof=1) / np.sqrt(400)
    assert (found.low, found.high) == pytest.approx((found.value - reach, found.value + reach), rel=0.02)


@pytest.mark.parametrize("true", [lambda p: p, lambda p: 0.5 + 0.8 * (p - 0.5)], ids=["calibrated", "overconfident"])
def test_the_interval_covers_the_truth_at_least_as_often_as_it_says(true):
    rng, held = np.random.default_rng(4), 0
    many = rng.beta(0.6, 0.6, 400_000)
    truth = calibration_error(many, true(many), np.arange(len(many))).value
    for _ in range(200):
        probability = rng.beta(0.6, 0.6, 400)
        found = calibration_error(probability, rng.random(400) < true(probability), np.arange(400))
        held += found.low <= truth + 1e-9 and truth <= found.high
    assert held >= 0.92 * 200


def test_a_model_that_promises_too_much_is_caught(honest):
    probability, outcome, patients = honest
    assert calibration_error(probability, outcome, patients).low < 0.01
    assert calibration_error(np.sqrt(probability), outcome, patients).low > 0.1


def test_nothing_has_no_error_and_one_patient_proves_none():
    assert calibration_error(np.zeros(0), np.zeros(0, bool), np.zeros(0, int)).value is None
    alone = calibration_error(np.array([0.9, 0.2]), np.array([True, False]), np.zeros(2, int))
    assert (alone.low, alone.high) == (0.0, 1.0)
