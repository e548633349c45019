"""What must hold of the figures of any table at all, however few its images and however odd their probabilities."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.evaluation.comparison import compare
from pipelines.evaluation.metrics import measure
from pipelines.evaluation.predictions import CHAMPION
from pipelines.recipe import LabelParams, ThresholdParams
from pipelines.threshold import operating_point

BINARY = LabelParams(names=("NORMAL", "PNEUMONIA"), positive="PNEUMONIA")
TURNED = LabelParams(names=("NORMAL", "PNEUMONIA"), positive="NORMAL")
SHARES = ("auc", "average_precision", "accuracy", "sensitivity", "specificity", "precision", "recall", "npv", "f1")
BETWEEN = 0.37  # no probability that is drawn lies on it
GRID = [0.0, 1e-9, 0.1, 0.25, 0.36, 0.38, 0.5, 0.9, 1.0]

drawn = settings(deadline=None, max_examples=40, derandomize=True, database=None)


@st.composite
def tables(draw, smallest=1):
    """Predictions of up to forty images: ties, certainty, patients with many images, and classes that are missing."""
    n = draw(st.integers(smallest, 40))
    rows = st.lists(
        st.tuples(
            st.sampled_from([0, 1]),
            st.sampled_from(GRID),
            st.integers(0, n),
            st.sampled_from(["positive", "refer", "refused"]),
        ),
        min_size=n,
        max_size=n,
    )
    target, probability, patient, decision = zip(*draw(rows), strict=True)
    found = pd.DataFrame({"target": target, "probability": probability, "patient_id": patient, "decision": decision})
    found = found.assign(probability_PNEUMONIA=found["probability"], probability_NORMAL=1 - found["probability"])
    return found.assign(site="home", view=None, sex=None, age=np.nan, split="test")


@drawn
@given(tables())
def test_a_figure_lies_in_its_interval_or_says_why_it_is_none(table):
    found = measure(table, BINARY, BETWEEN, (0.1,))
    for name in (*SHARES, "brier", "ece", "answered_wrongly"):
        value, low, high = (found[key] for key in (name, f"{name}_low", f"{name}_high"))
        if value is None:
            assert (low, high) == (None, None)
            assert found["not_estimable"][name]
        else:
            assert 0 <= low <= value + 1e-12
            assert value - 1e-12 <= high <= 1
            assert name not in found["not_estimable"]
    assert sum(map(sum, found["confusion"])) == found["n"] == len(table)
    assert found["accuracy"] == pytest.approx(np.trace(found["confusion"]) / len(table))


@drawn
@given(tables(), st.randoms(use_true_random=False))
def test_the_order_of_the_images_does_not_matter(table, random):
    places = list(range(len(table)))
    random.shuffle(places)
    one, other = (measure(rows, BINARY, BETWEEN) for rows in (table, table.iloc[places].reset_index(drop=True)))
    for name in (*SHARES, "brier"):
        for key in (name, f"{name}_low", f"{name}_high"):
            assert one[key] == pytest.approx(other[key], abs=1e-9)


@drawn
@given(tables())
def test_turned_round_sensitivity_is_specificity_and_the_area_stays(table):
    turned = table.assign(probability=table["probability_NORMAL"])
    one, other = measure(table, BINARY, BETWEEN), measure(turned, TURNED, 1 - BETWEEN)
    pairs = {"sensitivity": "specificity", "precision": "npv", "auc": "auc", "accuracy": "accuracy", "brier": "brier"}
    for name, opposite in pairs.items():
        for key in ("", "_low", "_high"):
            assert one[name + key] == pytest.approx(other[opposite + key], abs=1e-9)


@drawn
@given(tables(smallest=4), st.integers(2, 4))
def test_films_that_repeat_what_a_patient_showed_prove_nothing_more(table, copies):
    alone = table.assign(patient_id=range(len(table)))
    one, other = (measure(rows, BINARY, BETWEEN) for rows in (alone, pd.concat([alone] * copies, ignore_index=True)))
    for name in (*SHARES, "brier", "ece"):
        assert one[name] == pytest.approx(other[name], abs=1e-9)
        if one[name] is not None:
            widths = [found[f"{name}_high"] - found[f"{name}_low"] for found in (one, other)]
            assert widths[1] >= widths[0] * (1 - 1e-6), name


@drawn
@given(tables(), st.sampled_from(GRID))
def test_a_difference_lies_in_its_interval_and_turns_with_its_models(table, shift):
    theirs = np.clip(np.abs(table["probability"] - shift), 0, 1)
    rows = table.assign(**{f"{CHAMPION}probability_PNEUMONIA": theirs, f"{CHAMPION}probability_NORMAL": 1 - theirs})
    swapped = table.assign(
        probability=theirs,
        probability_PNEUMONIA=theirs,
        probability_NORMAL=1 - theirs,
        **{f"{CHAMPION}probability_{label}": table[f"probability_{label}"] for label in BINARY.names},
    )
    one, other = (compare(r, BINARY, BETWEEN, {"threshold": BETWEEN}, 0.03)["figures"] for r in (rows, swapped))
    assert set(one) == set(other)
    for name, found in one.items():
        assert found["low"] - 1e-12 <= found["difference"] <= found["high"] + 1e-12
        assert found["difference"] == pytest.approx(-other[name]["difference"], abs=1e-12)
        assert found["low"] == pytest.approx(-other[name]["high"], abs=1e-9)


@drawn
@given(tables(smallest=2), st.sampled_from([0.5, 0.8, 0.95, 0.99]), st.sampled_from([None, 0.8, 0.95]))
def test_the_threshold_reaches_on_validation_what_it_promises(table, minimum, confidence):
    table = table.assign(target=np.arange(len(table)) % 2)
    rule = ThresholdParams(
        rule="sensitivity",
        minimum=minimum,
        miss_cost=1.0,
        confidence=confidence,
        refer_error=0.1,
        temperature=False,
    )
    positive, probability = (table["target"] == 1).to_numpy(), table["probability"].to_numpy()
    point = operating_point(positive, probability, table["patient_id"].to_numpy(), rule)
    if confidence is None or not point.facts["proven"]:
        found = (probability[positive] >= point.threshold).mean()
    else:
        reached = pd.Series(probability[positive] >= point.threshold)
        found = reached.groupby(table.loc[positive, "patient_id"].to_numpy()).mean().mean()
    assert found >= rule.minimum
    assert point.refer is None or point.refer[0] <= point.threshold <= point.refer[1]
