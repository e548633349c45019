import numpy as np
import pandas as pd
import pytest

from pipelines.evaluation.comparison import compare, judged, remarks, words
from pipelines.evaluation.predictions import CHAMPION
from pipelines.recipe import LabelParams

BINARY = LabelParams(names=("NORMAL", "PNEUMONIA"), positive="PNEUMONIA")
THREE = LabelParams(names=("A", "B", "C"), positive=None)


def pair(target, mine, theirs):
    """A table of a challenger's and a champion's answers, an image a patient."""
    rows = pd.DataFrame({"target": target, "site": "home", "patient_id": [str(n) for n in range(len(target))]})
    for lead, chance in (("", mine), (CHAMPION, theirs)):
        rows[f"{lead}probability_PNEUMONIA"], rows[f"{lead}probability_NORMAL"] = chance, 1 - chance
    return rows.assign(probability=mine)


def against(target, mine, theirs, margin=0.03):
    return compare(pair(target, mine, theirs), BINARY, 0.5, {"threshold": 0.5}, margin)


@pytest.fixture
def films(rng):
    """Truth of 800 films, and the answers of a model that is right more often than not."""
    target = np.arange(800) % 2
    return target, 1 / (1 + np.exp(-(3 * target - 1.5 + rng.normal(0, 1.2, 800))))


def test_a_model_is_not_better_than_itself(films):
    found = against(films[0], films[1], films[1])
    assert found["verdict"] == "not worse"
    for one in found["figures"].values():
        assert one["difference"] == 0
        assert one["low"] <= 0 <= one["high"]
        assert one["verdict"] == "not worse"


def test_of_another_threshold_alone_the_area_is_the_same_for_certain(films):
    rows = pair(films[0], films[1], films[1])
    found = compare(rows, BINARY, 0.5, {"threshold": 0.4}, 0.03)["figures"]
    assert (found["auc"]["low"], found["auc"]["high"]) == (0, 0)
    assert found["sensitivity"]["low"] < found["sensitivity"]["difference"] < 0


def test_a_much_better_model_is_called_better_and_a_much_worse_one_worse(films, rng):
    target, good = films
    poor = 1 / (1 + np.exp(-(np.log(good / (1 - good)) + rng.normal(0, 3, 800))))
    assert against(target, good, poor)["figures"]["auc"]["verdict"] == "better"
    assert against(target, poor, good)["verdict"] == "worse"


def test_few_films_decide_nothing_and_the_number_that_would_is_named(films, rng):
    target, good = films[0][:30], films[1][:30]
    other = np.clip(good + rng.normal(0, 0.2, 30), 0.001, 0.999)
    found = against(target, other, good)
    undecided = [one for one in found["figures"].values() if one["verdict"] == "not decidable"]
    assert found["verdict"] == "not decidable"
    assert all(one["needed"] > one["n"] for one in undecided)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.001, 0.05, "better"), (-0.02, 0.05, "not worse"), (-0.02, -0.01, "not worse"), (-0.03, 0.0, "not worse"),
     (-0.09, -0.01, "worse"), (-0.09, 0.05, "not decidable")],
)  # fmt: skip
def test_the_verdict_follows_from_interval_and_margin(low, high, verdict):
    found = {"low": low, "high": high, "difference": (low + high) / 2, "n": 100}
    assert judged(found, 0.03)["verdict"] == verdict


def test_the_difference_of_two_areas_agrees_with_drawing_films(films, rng):
    from sklearn.metrics import roc_auc_score

    target, good = films
    other = 1 / (1 + np.exp(-(np.log(good / (1 - good)) + rng.normal(0, 1.0, 800))))
    found, drawn = against(target, good, other)["figures"]["auc"], []
    for _ in range(500):
        of = rng.integers(0, 800, 800)
        drawn.append(roc_auc_score(target[of], good[of]) - roc_auc_score(target[of], other[of]))
    assert (found["low"], found["high"]) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=0.006)


def test_many_classes_are_compared_by_accuracy_and_the_mean_area(rng):
    target = rng.integers(0, 3, 300)
    rows = pd.DataFrame({"target": target, "site": "x", "patient_id": [str(n) for n in range(300)]})
    for lead, edge in (("", 2.5), (CHAMPION, 1.0)):
        chances = np.exp(rng.normal(0, 1, (300, 3)) + edge * np.eye(3)[target])
        chances /= chances.sum(axis=1, keepdims=True)
        for index, name in enumerate(THREE.names):
            rows[f"{lead}probability_{name}"] = chances[:, index]
    found = compare(rows, THREE, None, {"threshold": None}, 0.03)
    assert set(found["figures"]) == {"auc", "accuracy"}
    assert found["verdict"] == "better"


def test_one_class_alone_is_compared_by_what_there_is():
    found = against(np.zeros(40, int), np.full(40, 0.2), np.full(40, 0.3))
    assert set(found["figures"]) == {"specificity"}


def test_what_a_reader_must_know_is_said():
    split = {"n": 100, "same_images": False, "trained_on": 7, "verdict": "better"}
    said = remarks({"splits": {"test": split}})
    assert "measured anew on the images of today" in said[0]
    assert "trained on 7 of the 100 test images" in said[1]
    assert remarks({"splits": {"test": split | {"same_images": True, "trained_on": 0}}}) == []
    assert words({"champion": None, "splits": {}}) == "There is no model in production to compare with."
