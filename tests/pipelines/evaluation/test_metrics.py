import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from pipelines.evaluation.metrics import measure
from pipelines.evaluation.predictive_values import predictive_values, ratio
from pipelines.evaluation.rest import Calls
from pipelines.intervals import Estimate, wilson
from pipelines.recipe import LabelParams

BINARY = LabelParams(names=("NORMAL", "PNEUMONIA"), positive="PNEUMONIA")
THREE = LabelParams(names=("A", "B", "C"), positive=None)
EVERY = ("auc", "average_precision", "accuracy", "sensitivity", "specificity", "precision", "recall", "npv", "f1")


def table(target, probability, **columns):
    rows = pd.DataFrame({"target": target, "probability": probability, "probability_PNEUMONIA": probability})
    rows["probability_NORMAL"] = 1 - rows["probability"]
    rows["patient_id"] = [f"p{n // 2}" for n in range(len(rows))]
    return rows.assign(site="home", view=None, sex=None, age=np.nan, decision="negative", **columns)


def of_three(target, chances):
    rows = table(target, chances[:, 0])
    return rows.assign(**{f"probability_{name}": chances[:, index] for index, name in enumerate(THREE.names)})


@pytest.fixture
def ten():
    """Four positives, of which three are called; six negatives, of which two are called."""
    target = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    return table(target, [0.9, 0.8, 0.6, 0.2, 0.7, 0.55, 0.4, 0.3, 0.2, 0.1])


@pytest.fixture
def many(rng):
    """Three hundred images of three classes."""
    target = rng.integers(0, 3, 300)
    logits = rng.normal(0, 1, (300, 3)) + 1.5 * np.eye(3)[target]
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return target, chances, measure(of_three(target, chances), THREE, None)


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
        "npv": 4 / 5,
        "accuracy": 7 / 10,
        "f1": 2 * 3 / (4 + 5),
        "auc": (6 + 6 + 5 + 1.5) / 24,
        "threshold": 0.5,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert found["confusion"] == [[4, 2], [1, 3]]
    assert (found["sensitivity_n"], found["specificity_n"], found["precision_n"], found["npv_n"]) == (4, 6, 5, 5)


def test_the_figures_are_those_of_scikit_learn(rng):
    target = (rng.random(500) < 0.3).astype(int)
    chance = np.clip(np.round(0.3 * target + 0.7 * rng.random(500), 2), 0, 1)
    found, guess = measure(table(target, chance), BINARY, 0.5), chance >= 0.5
    expected = {
        "auc": sk.roc_auc_score(target, chance),
        "average_precision": sk.average_precision_score(target, chance),
        "accuracy": sk.accuracy_score(target, guess),
        "sensitivity": sk.recall_score(target, guess),
        "specificity": sk.recall_score(target, guess, pos_label=0),
        "precision": sk.precision_score(target, guess),
        "npv": sk.precision_score(target, guess, pos_label=0),
        "f1": sk.f1_score(target, guess),
        "brier": sk.brier_score_loss(target, chance),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-9)
    assert found["confusion"] == sk.confusion_matrix(target, guess).tolist()


def test_more_than_two_classes_are_measured_as_scikit_learn_does(many):
    target, chances, found = many
    guess = chances.argmax(axis=1)
    expected = {
        "auc": sk.roc_auc_score(target, chances, multi_class="ovr"),
        "accuracy": sk.accuracy_score(target, guess),
        "sensitivity": sk.recall_score(target, guess, average="macro"),
        "precision": sk.precision_score(target, guess, average="macro"),
        "f1": sk.f1_score(target, guess, average="macro"),
        "top_2": sk.top_k_accuracy_score(target, chances, k=2),
        "brier": ((chances - np.eye(3)[target]) ** 2).sum(axis=1).mean(),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-9)
    assert "top_3" not in found
    for index, name in enumerate(THREE.names):
        assert found["classes"][name]["auc"] == pytest.approx(
            sk.roc_auc_score(target == index, chances[:, index]), abs=1e-9
        )


def test_means_over_the_classes_agree_with_drawing_images(many, rng):
    target, chances, found = many
    drawn = []
    for _ in range(400):
        of = rng.integers(0, 300, 300)
        drawn.append(sk.recall_score(target[of], chances[of].argmax(axis=1), average="macro"))
    ends = tuple(np.quantile(drawn, [0.025, 0.975]))
    assert (found["sensitivity_low"], found["sensitivity_high"]) == pytest.approx(ends, abs=0.015)
    assert found["sensitivity_n"] == 300


def test_every_figure_lies_in_its_interval(ten):
    found = measure(ten, BINARY, 0.5)
    for name in (*EVERY, "brier"):
        assert 0 <= found[f"{name}_low"] <= found[name] <= found[f"{name}_high"] <= 1
        assert found[f"{name}_low"] < found[f"{name}_high"]


def test_a_film_on_the_threshold_is_positive(ten):
    assert measure(ten, BINARY, 0.2)["sensitivity"] == 1


def test_films_that_are_referred_or_refused_count_like_all_others(ten):
    before = measure(ten, BINARY, 0.5)
    ten.loc[:2, "decision"], ten.loc[3, "decision"] = "refer", "refused"
    after = measure(ten, BINARY, 0.5)
    assert (after["referred"], after["refused"]) == (3, 1)
    assert after["sensitivity"] == before["sensitivity"]
    assert (after["answered_wrongly"], after["answered_wrongly_n"]) == (pytest.approx(2 / 6), 6)


def test_perfect_calibration_has_no_error_and_blind_certainty_all_of_it():
    right = table([1, 0, 1, 0], [0.95, 0.0, 1.0, 0.0])
    assert measure(right, BINARY, 0.5)["ece"] == pytest.approx(0.05 / 4)
    assert measure(table([0, 0], [1.0, 1.0]), BINARY, 0.5)["ece"] == 1


def test_one_class_alone_gives_what_it_can_and_says_why_not_the_rest():
    found = measure(table([0, 0, 0], [0.1, 0.2, 0.7]), BINARY, 0.5, (0.1,))
    assert found["specificity"] == pytest.approx(2 / 3)
    assert found["sensitivity"] is found["auc"] is found["auc_low"] is None
    assert found["not_estimable"]["auc"] == found["not_estimable"]["sensitivity"] == "no positives"
    assert found["predictive_values"][0]["ppv"] is None
    ill = measure(table([1, 1], [0.9, 0.8]), BINARY, 0.5)["not_estimable"]
    assert ill == {"auc": "no negatives", "specificity": "no negatives", "npv": "nothing is called negative"}


def test_one_probability_for_all_tells_nothing_apart():
    found = measure(table([1, 0] * 10, [0.5] * 20), BINARY, 0.6)
    assert found["auc"] == 0.5
    assert found["precision"] is None
    assert found["not_estimable"] == {"precision": "nothing is called positive"}


def test_no_images_give_no_figures():
    found = measure(table([], []).astype({"target": int, "probability": float}), BINARY, 0.5)
    assert (found["n"], found["n_patients"], found["auc"]) == (0, 0, None)
    assert found["not_estimable"]["accuracy"] == "no images"


def test_predictive_values_follow_from_sensitivity_and_specificity_by_bayes(ten):
    (at,) = measure(ten, BINARY, 0.5, (0.1,))["predictive_values"]
    assert at["ppv"] == pytest.approx(0.75 * 0.1 / (0.75 * 0.1 + (1 / 3) * 0.9))
    assert at["npv"] == pytest.approx((2 / 3) * 0.9 / ((2 / 3) * 0.9 + 0.25 * 0.1))
    assert at["ppv_low"] < at["ppv"] < at["ppv_high"]


def test_where_specificity_is_certain_a_predictive_value_has_the_interval_of_wilson():
    """Of 90 in 100 ill found, and of a million healthy a fifth called ill, by Bayes' rule at each end of Wilson's."""
    of, patients = np.arange(1_000_100) < 100, np.arange(1_000_100)
    guess = np.where(of, patients < 90, patients % 5 == 0)
    (at,) = predictive_values(Calls(of, guess, guess * 1.0, patients), [0.05])["predictive_values"]
    specificity = (~guess[~of]).mean()
    for end, sensitivity in zip(("low", "high"), wilson(90, 100), strict=True):
        odds = 0.95 / 0.05 * (1 - specificity) / sensitivity
        assert at[f"ppv_{end}"] == pytest.approx(1 / (1 + odds), rel=5e-3)


def test_the_ratio_of_two_proportions_agrees_with_drawing_them(rng):
    hits, n = np.array([40, 150]), np.array([200, 250])
    pair = [Estimate(k / m, *wilson(k, m), m) for k, m in zip(hits, n, strict=True)]
    found, drawn = ratio(*pair), rng.binomial(n, hits / n, (20000, 2)) / n
    ends = np.quantile(drawn[:, 0] / drawn[:, 1], [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx(tuple(ends), abs=0.01)


def test_a_ratio_over_nothing_found_is_open_upwards():
    none, some = Estimate(0.0, *wilson(0, 20), 20), Estimate(0.5, *wilson(10, 20), 20)
    assert ratio(none, some).low == ratio(none, some).value == 0
    assert 0 < ratio(none, some).high < 1
    assert ratio(some, none).high == np.inf
    assert 1 < ratio(some, none).low < np.inf
    assert ratio(none, none) is None


def test_heat_is_measured_over_the_images_that_have_a_mask(ten):
    hits = [1.0, 1.0, 0.0, np.nan] + [np.nan] * 6
    rows = ten.assign(heat_hit=hits, heat_inside=hits, mask_share=[0.1] * 4 + [np.nan] * 6, heat_outside_body=0.2)
    found = measure(rows, BINARY, 0.5)
    assert (found["pointing_game"], found["pointing_game_n"]) == (pytest.approx(2 / 3), 3)
    assert found["heat_outside_body"] == pytest.approx(0.2)
    assert found["mask_share"] == pytest.approx(0.1)
    assert "pointing_game" not in measure(ten, BINARY, 0.5)
