import numpy as np
import pandas as pd
import pytest

from pipelines.evaluation.subgroups import groupings, subgroups, worst
from pipelines.recipe import LabelParams

BINARY = LabelParams(names=("NORMAL", "PNEUMONIA"), positive="PNEUMONIA")
THREE = LabelParams(names=("A", "B", "C"), positive=None)


@pytest.fixture
def rows():
    """Sixty films of two sites; all that the model says of the second one is wrong."""
    table = pd.DataFrame({"target": [0, 1] * 30, "site": ["here"] * 50 + ["there"] * 10})
    table["probability"] = np.where((table["target"] == 1) == (table["site"] == "here"), 0.9, 0.1)
    table["patient_id"] = [str(n) for n in range(60)]
    return table.assign(view="PA", sex=None, age=np.nan)


def test_each_hospital_is_a_subgroup_and_small_ones_are_marked(rows):
    groups = {group["group"]: group for group in subgroups(rows, BINARY, 0.5)}
    assert (groups["here"]["n"], groups["here"]["small"]) == (50, False)
    assert (groups["there"]["n"], groups["there"]["small"]) == (10, True)
    assert groups["here"]["sensitivity"] == 1
    assert groups["there"]["sensitivity"] == 0
    assert groups["there"]["sensitivity_high"] > 0.3


def test_what_all_images_share_is_no_subgroup(rows):
    assert {group["by"] for group in subgroups(rows, BINARY, 0.5)} == {"site"}


def test_ages_and_sizes_are_grouped_into_bands(rows):
    ages = [0.5, 3, 17.9, 18, 64, 65, np.nan, 90]
    table = rows.head(8).assign(age=ages, width=[50, 64, 127, 500, 1024, 5000, 3000, 300], height=4000)
    found = groupings(table)
    assert list(found["age"]) == [
        "under 1", "1 to 5", "6 to 17", "18 to 39", "40 to 64", "65 and over", "not stated", "65 and over",
    ]  # fmt: skip
    assert list(found["image size"][:5]) == [
        "under 64 px",
        "64 to 127 px",
        "64 to 127 px",
        "256 to 511 px",
        "1024 to 2047 px",
    ]
    assert found["image size"].iloc[5] == "2048 to 4095 px"


def test_the_worst_group_is_named_and_a_small_one_only_where_all_are(rows):
    large = pd.concat([rows] * 2, ignore_index=True).assign(sex=["F"] * 60 + ["M"] * 60)
    large.loc[60:70, "probability"] = 0.9
    named = worst(subgroups(large, BINARY, 0.5))
    assert (named["by"], named["group"], named["small"]) == ("sex", "M", False)
    assert named["metric"] == "balanced_accuracy"
    alone = worst(subgroups(rows.iloc[40:], BINARY, 0.5))
    assert (alone["group"], alone["value"], alone["small"]) == ("there", 0.0, True)
    assert worst([]) is None


def test_with_many_classes_a_group_has_its_accuracy():
    table = pd.DataFrame({"target": [0, 1, 2, 0], "site": ["a", "a", "b", "b"], "patient_id": list("wxyz")})
    table = table.assign(view=None, sex=None, age=np.nan, **{f"probability_{name}": [1.0, 0, 0, 1.0] for name in "A"})
    table = table.assign(probability_B=[0, 1.0, 0.4, 0], probability_C=[0, 0, 0.6, 0])
    groups = subgroups(table, THREE, None)
    assert [group["accuracy"] for group in groups] == [1.0, 1.0]
    assert worst(groups)["metric"] == "accuracy"
