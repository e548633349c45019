import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp

from pipelines.drift import CATEGORIES, NUMBERS, POINTS, drift, profile_of


def films(n=400, seed=0, **changes):
    """Rows of a manifest, as far as profiles look at them."""
    rng = np.random.default_rng(seed)
    columns = {
        "mean": rng.normal(120, 20, n),
        "std": rng.normal(50, 5, n),
        "dark": rng.beta(1, 20, n),
        "bright": rng.beta(1, 40, n),
        "border": rng.normal(60, 9, n),
        "colour": 0.0,
        "width": rng.choice([224, 256, 512], n),
        "height": 224,
        "bits": 8,
        "bytes": rng.integers(5000, 9000, n),
        "age": rng.integers(1, 90, n).astype(float),
        "mode": "L",
        "view": rng.choice(["PA", "AP"], n),
        "sex": rng.choice(["F", "M"], n),
        "site": "home",
    }
    return pd.DataFrame(columns | changes)


def stored(images):
    """A profile as it comes back from its file."""
    return json.loads(json.dumps(profile_of(images), allow_nan=False))


def test_every_statistic_has_a_profile():
    assert set(profile_of(films())) == {*NUMBERS, *CATEGORIES}


def test_the_images_of_the_profile_are_not_away_from_it():
    images = films(5000)
    assert drift(images, stored(images)) == dict.fromkeys([*NUMBERS, *CATEGORIES], 0.0)


def test_few_values_are_all_in_the_profile_and_many_are_at_most_as_many_as_allowed():
    found = profile_of(films(5000))
    assert found["width"]["values"] == [224, 256, 512]
    assert found["width"]["upto"][-1] == 1
    assert len(found["mean"]["values"]) == POINTS
    gaps = np.array(found["mean"]["below"][1:]) - np.array(found["mean"]["upto"][:-1])
    assert gaps.max() <= 1 / (POINTS - 1)


@pytest.mark.parametrize("shift", [0, 3, 30, 300])
def test_the_distance_is_that_of_kolmogorov_and_smirnov(shift):
    old, new = films(3000, 1), films(700, 2)
    new["mean"] += shift
    new["age"] += shift
    found = drift(new, stored(old))
    assert found["mean"] == pytest.approx(ks_2samp(new["mean"], old["mean"]).statistic, abs=1 / (POINTS - 1))
    assert found["age"] == pytest.approx(ks_2samp(new["age"], old["age"]).statistic, abs=1e-9)


@pytest.mark.parametrize(("old", "new"), [(224, 200), (200, 224)])
def test_one_value_against_another_is_as_far_as_can_be(old, new):
    assert drift(films(width=new), stored(films(width=old)))["width"] == 1
    assert drift(films(width=new, height=new), stored(films(width=old, height=old)))["aspect"] == 0


def test_half_of_the_images_at_another_value_are_half_the_way():
    images = films(400, height=[200, 224] * 200)
    assert drift(images, stored(films(height=224)))["height"] == pytest.approx(0.5)
    assert drift(films(height=224), stored(images))["height"] == pytest.approx(0.5)


def test_categories_are_compared_by_their_shares():
    old, new = films(4, view=["PA", "PA", "PA", "AP"]), films(4, view=["PA", "AP", "LL", "LL"])
    assert drift(new, stored(old))["view"] == pytest.approx(0.5)


@pytest.mark.parametrize(("column", "value"), [("age", np.nan), ("bytes", np.nan), ("sex", None), ("view", None)])
def test_what_vanished_or_appeared_altogether_is_as_far_as_can_be(column, value):
    known, unknown = films(), films(**{column: value})
    assert drift(unknown, stored(known))[column] == 1
    assert drift(known, stored(unknown))[column] == 1
    assert column not in drift(unknown, stored(unknown))


@pytest.mark.parametrize("column", ["age", "sex"])
def test_what_is_missing_of_a_tenth_of_the_images_moved_by_a_tenth(column):
    images = films(400)
    fewer = images.assign(**{column: images[column].mask(np.arange(400) % 10 == 0)})
    assert drift(fewer, stored(images))[column] == pytest.approx(0.1, abs=0.02)


def test_what_one_side_never_heard_of_is_left_out():
    images, profile = films(), stored(films())
    del profile["border"]
    found = drift(images.drop(columns=["bright", "sex"]), profile)
    assert set(found) == {*NUMBERS, *CATEGORIES} - {"border", "bright", "sex"}


def test_nothing_is_away_from_nothing():
    assert profile_of(films().iloc[:0]) == {}
    assert drift(films(), {}) == {}
    assert drift(films().iloc[:0], stored(films())) == {}


def test_columns_with_nulls_of_any_kind_are_read():
    images = films(4, age=pd.array([3, None, 5, 7], dtype="Int64"), bytes=[None] * 4)
    assert profile_of(images)["age"]["missing"] == 0.25
    assert profile_of(images)["age"]["values"] == [3, 5, 7]
    assert profile_of(images)["bytes"] == {"missing": 1, "values": [], "below": [], "upto": []}
