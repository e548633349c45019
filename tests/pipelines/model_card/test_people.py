import pandas as pd

from pipelines.model_card.people import people

ROWS = {
    "split": ["test", "test", "test", "external"],
    "patient_id": ["p1", "p1", "p2", "p1"],
    "site": ["home", "home", "home", "away"],
    "view": ["PA", "AP", "PA", None],
    "sex": ["F", "F", None, None],
    "age": [30.0, 40.0, 50.0, None],
}


def test_images_patients_and_what_is_known_of_them_are_counted_by_split():
    found = people(pd.DataFrame(ROWS))
    assert found["test"] == {
        "images": 3,
        "patients": 2,
        "sex": {"F": 2},
        "view": {"AP": 1, "PA": 2},
        "age": [35.0, 40.0, 45.0],
        "missing": {"view": 0, "sex": 1, "age": 0},
    }


def test_a_split_of_which_nothing_is_known_says_so():
    found = people(pd.DataFrame(ROWS))["external"]
    assert (found["sex"], found["view"], found["age"]) == ({}, {}, None)
    assert found["missing"] == {"view": 1, "sex": 1, "age": 1}
