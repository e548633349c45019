import pytest
from pydantic import ValidationError

from pipelines.evaluation.gates import check
from pipelines.intervals import wilson
from pipelines.recipe import GateParams

METRICS = {
    "test": {
        "n": 624,
        "sensitivity": 0.95,
        "sensitivity_low": 0.92,
        "sensitivity_n": 390,
        "f1": 0.9,
        "auc": None,
        "auc_low": None,
        "brier": 0.05,
        "ece": 0.04,
        "ece_low": 0.03,
        "ece_high": 0.06,
        "not_estimable": {"auc": "no negatives"},
        "subgroups": [
            {"by": "sex", "group": "F", "n": 200, "sensitivity": 0.9, "sensitivity_low": 0.8, "small": False}
        ],
    }
}
COMPARED = {"splits": {"test": {"figures": {"auc": {"difference": 0.01, "low": -0.02, "high": 0.04, "n": 624}}}}}


def gate(metric="sensitivity", split="test", bound="low", minimum=0.9, maximum=None):
    return GateParams(
        metric=metric, split=split, bound=bound, minimum=None if maximum is not None else minimum, maximum=maximum
    )


def only(gate_params, model=None, comparison=None):
    verdict = check(METRICS, [gate_params], model, comparison)
    (result,) = verdict["gates"]
    assert verdict["passed"] == result["passed"]
    return result


def test_a_gate_that_is_met_says_by_what():
    result = only(gate())
    assert result["passed"]
    assert result["value"] == 0.92
    assert result["margin"] == pytest.approx(0.02)
    assert result["reason"] == "sensitivity on test, lower bound 0.920 (point 0.950, n 390), meets the minimum 0.9."


def test_the_lower_bound_is_held_against_the_minimum_and_not_what_was_observed():
    assert only(gate(bound="point", minimum=0.94))["passed"]
    result = only(gate(bound="low", minimum=0.94))
    assert not result["passed"]
    assert result["margin"] == pytest.approx(-0.02)
    assert "misses the minimum 0.94 by 0.020" in result["reason"]


@pytest.mark.parametrize(("count", "n", "minimum"), [(380, 400, 0.93), (95, 100, 0.9), (590, 624, 0.94)])
def test_the_images_needed_are_those_that_wilson_needs(count, n, minimum):
    figures = {"n": n, "sensitivity": count / n, "sensitivity_low": wilson(count, n)[0], "sensitivity_n": n}
    needed = check({"test": figures}, [gate(minimum=minimum)])["gates"][0]["needed"]
    assert needed > n
    assert wilson(count / n * needed, needed)[0] >= minimum - 1e-9
    assert wilson(count / n * (needed - 2), needed - 2)[0] < minimum


def test_no_number_of_images_proves_more_than_is_observed():
    result = only(gate(minimum=0.96))
    assert result["needed"] is None
    assert result["reason"].endswith("No number of images proves it at the observed figure.")


def test_a_minimum_reached_exactly_is_reached():
    assert only(gate(minimum=0.92))["passed"]


def test_where_less_is_better_a_maximum_is_held_against_the_upper_bound():
    assert only(gate("ece", bound="high", maximum=0.06))["passed"]
    result = only(gate("ece", bound="high", maximum=0.05))
    assert (result["passed"], result["value"]) == (False, 0.06)
    assert result["needed"] > 624
    assert "upper bound 0.060 (point 0.040, n 624), misses the maximum 0.05 by 0.010" in result["reason"]
    assert only(gate("brier", bound="point", maximum=0.05))["passed"]


def test_a_subgroup_can_be_gated():
    result = only(gate(split="test sex=F", minimum=0.85))
    assert (result["value"], result["passed"]) == (0.8, False)
    assert "there is no such subgroup (known: sex=F)" in only(gate(split="test sex=M"))["reason"]


def test_figures_of_the_file_can_be_gated():
    model = {"latency_ms": 40.0, "size_mb": 30.0}
    assert only(gate("latency_ms", "model", "point", maximum=50.0), model)["passed"]
    assert not only(gate("size_mb", "model", "point", maximum=20.0), model)["passed"]
    unmeasured = only(gate("parity", "model", "point", maximum=1e-4), model)
    assert not unmeasured["passed"]
    assert "it was not measured" in unmeasured["reason"]


def test_a_model_must_not_be_worse_than_the_one_in_production():
    assert only(gate("auc_difference", minimum=-0.03), comparison=COMPARED)["passed"]
    stopped = only(gate("auc_difference", minimum=-0.01), comparison=COMPARED)
    assert not stopped["passed"]
    assert stopped["needed"] == pytest.approx(624 * (0.03 / 0.02) ** 2, abs=1)


def test_without_a_model_in_production_a_comparison_asks_nothing_and_says_so():
    result = only(gate("auc_difference", minimum=-0.03))
    assert result["passed"]
    assert "there is no model in production to compare with, so this gate asks nothing" in result["reason"]


def test_all_gates_are_evaluated_and_one_failure_fails_the_whole():
    verdict = check(METRICS, [gate(minimum=0.99), gate(), gate(minimum=0.98)])
    assert [result["passed"] for result in verdict["gates"]] == [False, True, False]
    assert not verdict["passed"]
    assert verdict["reason"] == "2 of 3 gates failed."


@pytest.mark.parametrize(
    ("unanswerable", "why"),
    [
        (gate(split="external"), "there are no external images"),
        (gate(metric="auc"), "not estimable: no negatives"),
        (gate(metric="specificity"), "do not allow to compute it"),
        (gate(metric="f1"), "has no interval"),
    ],
)
def test_a_gate_that_cannot_be_answered_fails_and_says_why(unanswerable, why):
    result = only(unanswerable)
    assert not result["passed"]
    assert result["value"] is None
    assert why in result["reason"]


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"metric": "auc", "split": "test", "bound": "low"}, "either a minimum or a maximum"),
        ({"metric": "auc", "split": "test", "bound": "low", "maximum": 0.9}, "higher is better: give a minimum"),
        ({"metric": "ece", "split": "test", "bound": "low", "minimum": 0.1}, "lower is better: give a maximum"),
        ({"metric": "auc", "split": "test", "bound": "high", "minimum": 0.9}, "bound: low with a minimum"),
        ({"metric": "parity", "split": "test", "bound": "point", "maximum": 0.1}, "go with split: model"),
        ({"metric": "auc", "split": "val", "bound": "low", "minimum": 0.9}, "pattern"),
    ],
)
def test_a_gate_without_sense_is_refused(values, why):
    with pytest.raises(ValidationError, match=why):
        GateParams(**values)


def test_without_gates_nothing_is_proven():
    verdict = check(METRICS, [])
    assert not verdict["passed"]
    assert "nothing is proven" in verdict["reason"]
