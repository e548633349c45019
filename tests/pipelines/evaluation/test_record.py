import numpy as np
import pytest

from pipelines.evaluation.predictions import CHAMPION
from pipelines.evaluation.record import Champion, digest_of, record
from pipelines.recipe import GateParams
from tests.pipelines.conftest import terms_of

GATES = (
    GateParams(metric="sensitivity", split="test", bound="low", minimum=0.2),
    GateParams(metric="auc_difference", split="test", bound="low", minimum=-0.5),
    GateParams(metric="size_mb", split="model", bound="point", maximum=2.0),
)


@pytest.fixture
def table(measured, labels):
    """Answers on sixty films, with the digests of their files, and those of a model in production that is as good."""
    rows = measured(labels, test=np.arange(60) % 2)[1]["test"]
    rows["sha256"] = [f"{number:064x}" for number in range(60)]
    swapped = rows.assign(mirror=1 - rows["probability"][::-1].to_numpy())["mirror"]
    return rows.assign(**{f"{CHAMPION}probability_PNEUMONIA": swapped, f"{CHAMPION}probability_NORMAL": 1 - swapped})


def champion(**changes):
    fields = {"version": "a" * 12, "threshold": 0.5, "images": {}, "trained_on": {}, "rules": {}}
    return Champion(**(fields | changes))


def test_the_record_holds_figures_gates_and_comparison(table, labels):
    found = record(table, terms_of(labels, GATES, champion=champion()))
    assert set(found.files()) == {"metrics.json", "gates.json", "comparison.json"}
    assert found.metrics["test"]["images_sha256"] == digest_of(table)
    assert [gate["passed"] for gate in found.gates["gates"]] == [True, True, True]
    terms = terms_of(labels, GATES)
    assert found.gates["rules"] == {
        "sha256": terms.rules.sha256,
        "threshold": terms.rules.threshold.model_dump(),
        "margin": 0.03,
    }
    assert found.comparison["champion"] == {"version": "a" * 12, "threshold": 0.5}
    assert set(found.comparison["splits"]["test"]["figures"]) == {"auc", "sensitivity", "specificity"}


def test_without_a_model_in_production_the_record_says_so(table, labels):
    found = record(table, terms_of(labels, GATES))
    assert found.comparison == {"champion": None, "splits": {}}
    assert "no model in production" in found.gates["gates"][1]["reason"]


def test_a_test_set_swapped_under_the_model_in_production_is_noticed(table, labels):
    then = digest_of(table)
    same = record(table, terms_of(labels, champion=champion(images={"test": then})))
    assert same.comparison["splits"]["test"]["same_images"] is True
    other = table.assign(sha256=["e" * 64, *table["sha256"][1:]])
    swapped = record(other, terms_of(labels, champion=champion(images={"test": then})))
    assert swapped.comparison["splits"]["test"]["same_images"] is False
    assert record(table, terms_of(labels, champion=champion())).comparison["splits"]["test"]["same_images"] is None


def test_the_digest_of_the_images_heeds_labels_and_not_order(table):
    assert digest_of(table) == digest_of(table[::-1])
    assert digest_of(table) != digest_of(table.assign(label="NORMAL"))
    assert digest_of(table.drop(columns="sha256")) is None


def test_a_gate_that_asks_less_than_at_the_last_release_is_flagged(table, labels):
    before = tuple(gate.model_dump() | {"minimum": 0.9} for gate in GATES[:1])
    found = record(table, terms_of(labels, GATES, champion=champion(rules={"gates": before})))
    (said,) = found.gates["loosened"]
    assert "sensitivity on test had to be at least 0.9" in said
