import json

import pytest

from pipelines.evaluation.rules import Rules, loosened
from pipelines.recipe import GateParams, ThresholdParams

RULE = ThresholdParams(
    rule="sensitivity", minimum=0.95, miss_cost=5.0, confidence=0.95, refer_error=0.02, temperature=False
)


def gate(metric="sensitivity", bound="low", **limit):
    return GateParams(metric=metric, split="test", bound=bound, **limit)


GATES = (gate(minimum=0.9), gate("ece", "high", maximum=0.05), gate("auc", minimum=0.95))


def rules(gates=GATES, margin=0.03, **changes):
    return Rules(threshold=RULE.model_copy(update=changes), gates=gates, margin=margin)


def released(*arguments, **changes):
    """Rules as release.json holds them."""
    return json.loads(rules(*arguments, **changes).model_dump_json())


def test_the_same_and_stricter_rules_are_not_loosened():
    assert loosened(rules(), released()) == []
    stricter = (gate(minimum=0.92), gate("ece", "high", maximum=0.04), GATES[2], gate("f1", minimum=0.5))
    now = rules(stricter, margin=0.02, minimum=0.97, confidence=0.99, refer_error=0.01)
    assert loosened(now, released()) == []


def test_a_loosened_gate_is_named():
    said = loosened(rules((gate(minimum=0.85), gate("ece", "point", maximum=0.05))), released())
    assert len(said) == 3
    assert "sensitivity on test had to be at least 0.9 (at the bound of its interval)" in said[0]
    assert "at most 0.05 (as observed)" in said[1]
    assert "auc on test was gated" in said[2]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"minimum": 0.9}, "now for a sensitivity of 0.9 (confidence 0.95)."),
        ({"confidence": 0.9}, "now for a sensitivity of 0.95 (confidence 0.9)."),
        ({"confidence": None}, "now for a sensitivity of 0.95 (as observed)."),
        ({"rule": "specificity"}, "now for a specificity of 0.95 (confidence 0.95)."),
        ({"rule": "youden"}, "now for the largest sum of sensitivity and specificity."),
        ({"rule": "cost"}, "now for the least cost (a miss worth 5 false alarms)."),
    ],
)
def test_a_threshold_that_promises_less_or_something_else_is_named(changes, words):
    (said,) = loosened(rules(**changes), released())
    assert said.startswith("The threshold was chosen for a sensitivity of 0.95 (confidence 0.95) when the model in")
    assert said.endswith(words)


def test_a_miss_that_is_worth_less_is_named():
    (said,) = loosened(rules(rule="cost", miss_cost=2.0), released(rule="cost"))
    assert said.endswith("now for the least cost (a miss worth 2 false alarms).")
    assert loosened(rules(rule="cost", miss_cost=9.0), released(rule="cost")) == []


def test_a_wider_refer_error_and_a_wider_margin_are_named():
    wrong, margin = loosened(rules(refer_error=0.05, margin=0.06), released())
    assert "a share of 0.02 could be wrong" in wrong
    assert margin.endswith("now 0.06.")


def test_what_an_older_release_does_not_say_is_not_compared():
    assert loosened(rules(), {}) == []
    assert len(loosened(rules(()), {"gates": released()["gates"]})) == 3


def test_rules_have_a_digest_of_their_own():
    assert rules().sha256 == rules().sha256
    assert len({rules().sha256, rules(margin=0.02).sha256, rules(minimum=0.9).sha256, rules(GATES[:1]).sha256}) == 4
