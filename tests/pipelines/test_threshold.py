import json

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import binom, norm

from pipelines.errors import DataError, ModelError
from pipelines.recipe import ThresholdParams
from pipelines.risk_control import edge_level, patients_needed
from pipelines.threshold import choose_threshold, operating_point, promise_in_words, refer_band

PROBABILITY = np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9])
POSITIVE = np.array([0, 0, 1, 0, 1, 0, 1, 1], dtype=bool)


def rule(kind, minimum=0.9, **changes):
    usual = {"miss_cost": 5.0, "confidence": None, "refer_error": 0.0, "temperature": False}
    return ThresholdParams(rule=kind, minimum=minimum, **(usual | changes))


def choose(kind, minimum=0.5):
    return choose_threshold(POSITIVE, PROBABILITY, rule(kind, minimum))


def patients_of(films):
    return np.array([f"home/p{number}" for number in range(films)], dtype=object)


def films_of(rng, patients, each=1, apart=2.0, alike=0.95):
    """Truth, logit and patient of films; those of a patient are alike, and over all patients the logits of each class
    are normal with variance 1, `apart` from each other."""
    positive = np.repeat(rng.random(patients) < 0.5, each)
    shared = np.repeat(rng.normal(0, alike, patients), each)
    own = rng.normal(0, np.sqrt(1 - alike**2), len(positive))
    return positive, shared + own + apart * positive, np.repeat(patients_of(patients), each)


def test_youden_lies_between_the_two_probabilities_where_it_is_best():
    positive = np.array([0, 0, 0, 0, 1, 1, 1, 1], dtype=bool)
    assert choose_threshold(positive, PROBABILITY, rule("youden")) == pytest.approx(0.5)


@pytest.mark.parametrize(("minimum", "expected"), [(0.5, 0.75), (0.75, 0.5), (0.99, 0.25)])
def test_the_highest_threshold_that_reaches_a_sensitivity(minimum, expected):
    threshold = choose("sensitivity", minimum)
    assert threshold == pytest.approx(expected)
    assert (PROBABILITY[POSITIVE] >= threshold).mean() >= minimum


@pytest.mark.parametrize(("minimum", "expected"), [(0.5, 0.25), (0.75, 0.5), (0.99, 0.75)])
def test_the_lowest_threshold_that_reaches_a_specificity(minimum, expected):
    threshold = choose("specificity", minimum)
    assert threshold == pytest.approx(expected)
    assert (PROBABILITY[~POSITIVE] < threshold).mean() >= minimum


@pytest.mark.parametrize(("miss_cost", "expected"), [(0.1, 0.75), (5.0, 0.25)])
def test_the_dearer_a_miss_the_lower_the_threshold_of_least_cost(miss_cost, expected):
    threshold = choose_threshold(POSITIVE, PROBABILITY, rule("cost", miss_cost=miss_cost))
    assert threshold == pytest.approx(expected)


def test_no_threshold_costs_less_than_that_of_the_rule_cost(rng):
    positive, probability = rng.random(60) < 0.4, rng.random(60).round(1)

    def cost(threshold):
        called = probability >= threshold
        return 3 * np.sum(positive & ~called) + np.sum(~positive & called)

    chosen = choose_threshold(positive, probability, rule("cost", miss_cost=3.0))
    assert cost(chosen) == min(cost(other) for other in np.arange(-0.05, 1.1, 0.1))


def test_a_specificity_holds_even_where_negative_films_reach_a_probability_of_one():
    positive, probability = np.array([True, False, False]), np.array([1.0, 1.0, 0.2])
    for confidence in (None, 0.5):
        chosen = operating_point(positive, probability, patients_of(3), rule("specificity", confidence=confidence))
        assert chosen.threshold > 1


@pytest.mark.parametrize("kind", ["sensitivity", "specificity", "cost", "youden"])
@pytest.mark.parametrize("confidence", [None, 0.95])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_model_that_says_the_same_of_every_film_gets_a_threshold(kind, confidence, value):
    chosen = operating_point(POSITIVE, np.full(8, value), patients_of(8), rule(kind, confidence=confidence))
    if kind == "sensitivity":
        assert chosen.threshold <= value
    if kind == "specificity":
        assert chosen.threshold > value
    assert chosen.refer[0] < value < chosen.refer[1]


@pytest.mark.parametrize("truth", [True, False])
def test_validation_of_one_class_is_an_error_that_says_what_to_do(truth):
    count = "8 of 8" if truth else "0 of 8"
    with pytest.raises(DataError, match=f"{count} validation films are positive, expected films of both classes"):
        operating_point(np.full(8, truth), PROBABILITY, patients_of(8), rule("youden"))


@pytest.mark.parametrize("odd", [np.nan, np.inf, -0.1])
def test_a_probability_that_is_none_is_an_error(odd):
    with pytest.raises(ModelError, match="1 of 8 validation probabilities are no numbers from 0 to 1"):
        operating_point(POSITIVE, np.append(PROBABILITY[:-1], odd), patients_of(8), rule("youden"))


def test_without_a_confidence_the_operating_point_is_what_was_observed():
    observed = rule("sensitivity", 0.75, refer_error=0.1)
    chosen = operating_point(POSITIVE, PROBABILITY, patients_of(8), observed)
    assert chosen.threshold == choose_threshold(POSITIVE, PROBABILITY, observed)
    assert chosen.refer == refer_band(POSITIVE, PROBABILITY, chosen.threshold, 0.1)
    assert (chosen.facts["proven"], chosen.facts["needed"], chosen.facts["refer_proven"]) == (None, None, None)


@pytest.mark.parametrize("kind", ["cost", "youden"])
def test_cost_and_youden_promise_nothing(kind):
    chosen = operating_point(POSITIVE, PROBABILITY, patients_of(8), rule(kind, confidence=0.95))
    assert (chosen.facts["proven"], chosen.facts["needed"], chosen.facts["minimum"]) == (None, None, None)
    assert promise_in_words(chosen.facts) == ""


def test_a_promise_that_too_few_patients_could_prove_says_so_and_misses_none():
    chosen = operating_point(POSITIVE, PROBABILITY, patients_of(8), rule("sensitivity", confidence=0.95))
    assert chosen.threshold == pytest.approx(0.25)
    assert (chosen.facts["proven"], chosen.facts["needed"], chosen.facts["patients"]) == (False, 29, 4)
    assert promise_in_words(chosen.facts) == (
        ": sensitivity 0.9 promised with confidence 0.95, not proven: 4 patients with positive films, 29 needed"
    )


def test_a_promise_that_is_proven_says_by_how_many_patients(rng):
    positive, logits, patients = films_of(rng, 200)
    chosen = operating_point(positive, expit(logits), patients, rule("specificity", confidence=0.95))
    assert (chosen.facts["proven"], chosen.facts["needed"]) == (True, None)
    assert promise_in_words(chosen.facts) == (
        f": specificity 0.9 promised with confidence 0.95, proven by {np.sum(~positive)} patients with negative films"
    )


def test_a_threshold_half_way_down_misses_no_more_than_was_proven(rng):
    positive, logits, patients = films_of(rng, 300)
    chosen = operating_point(positive, expit(logits), patients, rule("sensitivity", confidence=0.95))
    missed = np.sum(expit(logits[positive]) < chosen.threshold)
    assert binom.cdf(missed, positive.sum(), 0.1) <= 0.05 < binom.cdf(missed + 1, positive.sum(), 0.1)
    assert chosen.threshold not in expit(logits)


def test_specificity_is_the_mirror_image_of_sensitivity(rng):
    positive, logits, patients = films_of(rng, 150, each=2)
    found = operating_point(positive, expit(logits), patients, rule("sensitivity", 0.8, confidence=0.9))
    turned = operating_point(~positive, expit(-logits), patients, rule("specificity", 0.8, confidence=0.9))
    assert turned.threshold == pytest.approx(1 - found.threshold)


def test_patients_with_many_films_count_once(rng):
    positive, logits, patients = films_of(rng, 40, each=5)
    chosen = operating_point(positive, expit(logits), patients, rule("sensitivity", 0.9, confidence=0.95))
    assert chosen.facts["patients"] == positive.sum() / 5 < 29 < chosen.facts["positives"]
    assert not chosen.facts["proven"]


@pytest.mark.parametrize(("each", "least"), [(1, 5), (3, 0)])
def test_the_promised_sensitivity_holds_for_new_patients_as_often_as_promised(each, least):
    """Of 400 draws of validation at most a tenth may break the promise, but for the luck of one in a thousand."""
    rng, allowed = np.random.default_rng(7), binom.ppf(0.999, 400, 0.1)
    promised, observed = rule("sensitivity", confidence=0.9), rule("sensitivity")
    broken = {promised: 0, observed: 0}
    for _ in range(400):
        positive, logits, patients = films_of(rng, 120, each)
        for kind in broken:
            threshold = operating_point(positive, expit(logits), patients, kind).threshold
            broken[kind] += norm.cdf(logit(threshold) - 2.0) > 0.1
    assert least <= broken[promised] <= allowed
    assert broken[observed] > 2 * allowed


def test_outside_the_band_the_promised_error_holds():
    low, high = refer_band(POSITIVE, PROBABILITY, 0.5, error=0.0)
    assert not POSITIVE[:2].any()
    assert POSITIVE[6:].all()
    assert (low, high) == (0.2, 0.8)


def test_a_larger_error_makes_a_narrower_band():
    assert refer_band(POSITIVE, PROBABILITY, 0.5, error=0.25) is None
    low, high = refer_band(POSITIVE, PROBABILITY, 0.5, error=0.1)
    assert (low, high) == (0.2, 0.8)


def test_films_of_the_same_probability_are_answered_or_referred_together():
    positive, probability = np.array([False, False, True, True]), np.array([0.1, 0.2, 0.2, 0.9])
    assert refer_band(positive, probability, 0.5, error=0.2) == (0.1, 0.5)


def test_a_model_that_is_never_wrong_needs_no_band():
    assert refer_band(PROBABILITY > 0.5, PROBABILITY, 0.5, error=0.0) is None


def test_where_nothing_is_reliable_everything_is_referred():
    low, high = refer_band(PROBABILITY < 0.5, PROBABILITY, 0.5, error=0.0)
    assert -1e-9 < low < 0
    assert 1 < high < 1 + 1e-9


def test_a_band_that_is_proven_leaves_a_person_more_than_one_that_was_observed(rng):
    positive, logits, patients = films_of(rng, 3000, apart=4.0)
    seen, proven = (
        operating_point(positive, expit(logits), patients, rule("youden", confidence=confidence, refer_error=0.015))
        for confidence in (None, 0.95)
    )
    assert proven.facts["refer_proven"]
    assert proven.facts["refer_needed"] is None
    assert proven.refer[0] < seen.refer[0] <= seen.threshold <= seen.refer[1] < proven.refer[1]


def test_a_proven_band_is_none_where_all_answers_are_right():
    positive = np.arange(2000) >= 1000
    probability = np.linspace(0, 1, 2000)
    chosen = operating_point(
        positive, probability, patients_of(2000), rule("youden", confidence=0.95, refer_error=0.02)
    )
    assert (chosen.refer, chosen.facts["refer_proven"]) == (None, True)


def test_a_band_that_is_not_proven_is_the_observed_one_and_says_how_many_patients_it_needs():
    told = rule("youden", confidence=0.95, refer_error=0.1)
    chosen = operating_point(POSITIVE, PROBABILITY, patients_of(8), told)
    assert chosen.refer == refer_band(POSITIVE, PROBABILITY, chosen.threshold, 0.1)
    assert not chosen.facts["refer_proven"]
    assert chosen.facts["refer_needed"] == patients_needed(0.1, edge_level(0.95)) == 55


def test_where_the_model_fails_and_not_the_number_of_patients_none_is_needed(rng):
    positive, logits, patients = films_of(rng, 4000, apart=0.5)
    chosen = operating_point(positive, expit(logits), patients, rule("youden", confidence=0.95, refer_error=0.02))
    assert (chosen.facts["refer_proven"], chosen.facts["refer_needed"]) == (False, None)


def test_where_one_side_has_too_few_patients_it_says_how_many_it_needs_though_the_other_fails_by_itself(rng):
    probability, positive = rng.random(4000), rng.random(4000) < 0.5
    chosen = operating_point(positive, probability, patients_of(4000), rule("cost", confidence=0.95, refer_error=0.02))
    assert np.sum(probability < chosen.threshold) < 286 < np.sum(probability >= chosen.threshold)
    assert (chosen.facts["refer_proven"], chosen.facts["refer_needed"]) == (False, 286)


def error_of_patients(answered, wrong, patients):
    """Mean, over patients with answered films, of the share of these that is wrong."""
    films = np.bincount(patients[answered])
    return float(np.mean((np.bincount(patients[answered], wrong[answered]) / np.maximum(films, 1))[films > 0]))


@pytest.mark.parametrize("each", [1, 3])
def test_the_promised_error_outside_the_band_holds_for_new_patients_as_often_as_promised(each):
    rng, draws = np.random.default_rng(3), 50
    truth, logits, _ = films_of(rng, 50_000, each, apart=3.0)
    new, patients = expit(logits), np.arange(len(truth)) // each
    broken = dict.fromkeys((None, 0.9), 0)
    for _ in range(draws):
        positive, logits, own = films_of(rng, 1000, each, apart=3.0)
        for confidence in broken:
            told = rule("sensitivity", confidence=confidence, refer_error=0.05)
            chosen = operating_point(positive, expit(logits), own, told)
            low, high = chosen.refer or (chosen.threshold, chosen.threshold)
            below, above = (new <= low) & (new < chosen.threshold), (new >= high) & (new >= chosen.threshold)
            errors = error_of_patients(below, truth, patients), error_of_patients(above, ~truth, patients)
            broken[confidence] += max(errors) > 0.05
            assert chosen.facts["refer_proven"] is (None if confidence is None else True)
    assert broken[0.9] <= binom.ppf(0.999, draws, 0.1) < broken[None]


def test_a_hundred_thousand_films_and_json(rng):
    positive, logits, patients = films_of(rng, 50_000, each=2)
    chosen = operating_point(positive, expit(logits), patients, rule("sensitivity", confidence=0.95, refer_error=0.05))
    assert json.loads(json.dumps(chosen.facts)) == chosen.facts
