import numpy as np
import pytest

from pipelines.recipe import ThresholdParams
from pipelines.threshold import choose_threshold, refer_band

PROBABILITY = np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9])
POSITIVE = np.array([0, 0, 1, 0, 1, 0, 1, 1], dtype=bool)


def choose(rule, minimum=0.0):
    return choose_threshold(POSITIVE, PROBABILITY, ThresholdParams(rule=rule, minimum=minimum, refer_error=0))


def test_youden_lies_between_the_two_probabilities_where_it_is_best():
    positive = np.array([0, 0, 0, 0, 1, 1, 1, 1], dtype=bool)
    rule = ThresholdParams(rule="youden", minimum=0, refer_error=0)
    assert choose_threshold(positive, PROBABILITY, rule) == pytest.approx(0.5)


@pytest.mark.parametrize(("minimum", "expected"), [(0.5, 0.75), (0.75, 0.5), (1.0, 0.25)])
def test_the_highest_threshold_that_reaches_a_sensitivity(minimum, expected):
    threshold = choose("sensitivity", minimum)
    assert threshold == pytest.approx(expected)
    assert (PROBABILITY[POSITIVE] >= threshold).mean() >= minimum


@pytest.mark.parametrize(("minimum", "expected"), [(0.5, 0.25), (0.75, 0.5), (1.0, 0.75)])
def test_the_lowest_threshold_that_reaches_a_specificity(minimum, expected):
    threshold = choose("specificity", minimum)
    assert threshold == pytest.approx(expected)
    assert (PROBABILITY[~POSITIVE] < threshold).mean() >= minimum


def test_outside_the_band_the_promised_error_holds():
    low, high = refer_band(POSITIVE, PROBABILITY, 0.5, error=0.0)
    assert not POSITIVE[:2].any()
    assert POSITIVE[6:].all()
    assert (low, high) == (0.2, 0.8)


def test_a_larger_error_makes_a_narrower_band():
    assert refer_band(POSITIVE, PROBABILITY, 0.5, error=0.25) is None
    low, high = refer_band(POSITIVE, PROBABILITY, 0.5, error=0.1)
    assert (low, high) == (0.2, 0.8)


def test_a_model_that_is_never_wrong_needs_no_band():
    assert refer_band(PROBABILITY > 0.5, PROBABILITY, 0.5, error=0.0) is None


def test_where_nothing_is_reliable_everything_is_referred():
    low, high = refer_band(PROBABILITY < 0.5, PROBABILITY, 0.5, error=0.0)
    assert -1e-9 < low < 0
    assert 1 < high < 1 + 1e-9
