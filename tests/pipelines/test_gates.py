import pytest

from pipelines.gates import check
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
    }
}


def gate(metric="sensitivity", split="test", bound="low", minimum=0.9):
    return GateParams(metric=metric, split=split, bound=bound, minimum=minimum)


def only(gate_params):
    verdict = check(METRICS, [gate_params])
    (result,) = verdict["gates"]
    assert verdict["passed"] == result["passed"]
    return result


def test_a_gate_that_is_met_says_by_what():
    result = only(gate())
    assert result["passed"]
    assert result["value"] == 0.92
    assert result["reason"] == "sensitivity on test, lower bound 0.920 (point 0.950, n 390), meets the minimum 0.9."


def test_the_lower_bound_is_held_against_the_minimum_and_not_what_was_observed():
    assert only(gate(bound="point", minimum=0.94))["passed"]
    result = only(gate(bound="low", minimum=0.94))
    assert not result["passed"]
    assert "misses the minimum 0.94 by 0.020" in result["reason"]


def test_a_minimum_reached_exactly_is_reached():
    assert only(gate(minimum=0.92))["passed"]


def test_all_gates_are_evaluated_and_one_failure_fails_the_whole():
    verdict = check(METRICS, [gate(minimum=0.99), gate(), gate(minimum=0.98)])
    assert [result["passed"] for result in verdict["gates"]] == [False, True, False]
    assert not verdict["passed"]
    assert verdict["reason"] == "2 of 3 gates failed."


@pytest.mark.parametrize(
    ("unanswerable", "why"),
    [
        (gate(split="external"), "there are no external images"),
        (gate(metric="auc"), "do not allow to compute it"),
        (gate(metric="f1"), "has no interval"),
        (gate(metric="brier", bound="point", minimum=0.0), "lower is better"),
    ],
)
def test_a_gate_that_cannot_be_answered_fails_and_says_why(unanswerable, why):
    result = only(unanswerable)
    assert not result["passed"]
    assert result["value"] is None
    assert why in result["reason"]


def test_without_gates_nothing_is_proven():
    verdict = check(METRICS, [])
    assert not verdict["passed"]
    assert "nothing is proven" in verdict["reason"]
