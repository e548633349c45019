import numpy as np
import pandas as pd
import pytest

from pipelines.metrics import measure
from pipelines.recipe import LabelParams

BINARY = LabelParams(names=("NORMAL", "PNEUMONIA"), positive="PNEUMONIA")
THREE = LabelParams(names=("A", "B", "C"), positive=None)


def table(target, probability, **columns):
    rows = pd.DataFrame({"target": target, "probability": probability, "probability_PNEUMONIA": probability})
    rows["probability_NORMAL"] = 1 - rows["probability"]
    rows["patient_id"] = [f"p{n // 2}" for n in range(len(rows))]
    return rows.assign(site="home", view=None, sex=None, decision="negative", **columns)


@pytest.fixture
def ten():
    """Four positives, of which three are called; six negatives, of which two are called."""
    target = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    return table(target, [0.9, 0.8, 0.6, 0.2, 0.7, 0.55, 0.4, 0.3, 0.2, 0.1])


def test_the_figures_by_hand(ten):
    found = measure(ten, BINARY, 0.5)
    expected = {
        "n": 10,
        "n_positive": 4,
        "n_patients": 5,
        "sensitivity": 3 / 4,
        "recall": 3 / 4,
        "specificity": 4 / 6,
        "precision": 3 / 5,
        "accuracy": 7 / 10,
        "f1": 2 * 3 / (4 + 5),
        "auc": (6 + 6 + 5 + 1.5) / 24,
        "threshold": 0.5,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert found["confusion"] == [[4, 2], [1, 3]]


def test_brier_is_the_mean_squared_error(ten):
    assert measure(ten, BINARY, 0.5)["brier"] == pytest.approx(((ten["probability"] - ten["target"]) ** 2).mean())


def test_every_proportion_lies_in_its_interval(ten):
    found = measure(ten, BINARY, 0.5)
    for name in ("auc", "accuracy", "sensitivity", "specificity", "precision", "recall"):
        assert 0 <= found[f"{name}_low"] <= found[name] <= found[f"{name}_high"] <= 1


def test_a_film_on_the_threshold_is_positive(ten):
    assert measure(ten, BINARY, 0.2)["sensitivity"] == 1


def test_films_that_are_referred_or_refused_count_like_all_others(ten):
    before = measure(ten, BINARY, 0.5)
    ten.loc[:2, "decision"], ten.loc[3, "decision"] = "refer", "refused"
    after = measure(ten, BINARY, 0.5)
    assert (after["referred"], after["refused"]) == (3, 1)
    assert after["sensitivity"] == before["sensitivity"]


def test_perfect_calibration_has_no_error_and_blind_certainty_all_of_it():
    right = table([1, 0, 1, 0], [0.95, 0.0, 1.0, 0.0])
    assert measure(right, BINARY, 0.5)["ece"] == pytest.approx(0.05 / 4)
    assert measure(table([0, 0], [1.0, 1.0]), BINARY, 0.5)["ece"] == 1


def test_one_class_alone_gives_what_it_can():
    found = measure(table([0, 0, 0], [0.1, 0.2, 0.7]), BINARY, 0.5)
    assert found["specificity"] == pytest.approx(2 / 3)
    assert found["sensitivity"] is found["auc"] is found["auc_low"] is None


def test_each_hospital_is_a_subgroup_and_small_ones_are_marked():
    both = table([0, 1] * 30, np.linspace(0, 1, 60))
    both["site"] = ["here"] * 50 + ["there"] * 10
    groups = {group["group"]: group for group in measure(both, BINARY, 0.5)["subgroups"]}
    assert (groups["here"]["n"], groups["here"]["small"]) == (50, False)
    assert (groups["there"]["n"], groups["there"]["small"]) == (10, True)


def test_more_than_two_classes_are_measured_each_against_the_rest():
    chances = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7]])
    rows = table([0, 1, 2, 2], chances[:, 0])
    for index, name in enumerate(THREE.names):
        rows[f"probability_{name}"] = chances[:, index]
    found = measure(rows, THREE, None)
    assert found["accuracy"] == 3 / 4
    assert found["confusion"] == [[1, 0, 0], [0, 1, 0], [0, 1, 1]]
    assert found["classes"]["C"]["sensitivity"] == 1 / 2
    assert found["sensitivity"] == pytest.approx((1 + 1 + 1 / 2) / 3)
    assert found["threshold"] is None
