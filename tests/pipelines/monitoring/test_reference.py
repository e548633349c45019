import numpy as np
import pandas as pd
import pytest

from pipelines.errors import ReleaseError
from pipelines.monitoring.reference import (
    ANSWERS,
    FILE,
    NUMBERS,
    SHARES,
    read_reference,
    reference_rows,
    write_reference,
)


def table():
    rows = {
        "split": ["test", "test", "test", "external"],
        "image_id": ["c", "a", "b", "x"],
        "site": "home",
        "patient_id": ["Smith", "Jones", "Smith", "Doe"],
        "label": ["NORMAL", "PNEUMONIA", "NORMAL", "NORMAL"],
        "probability_NORMAL": [0.9, 0.2, 0.7, 0.5],
        "probability_PNEUMONIA": [0.1, 0.8, 0.3, 0.5],
        "familiarity": [0.5, 0.4, 0.3, 0.2],
        "decision": ["negative", "positive", "refer", "refused"],
    }
    return pd.DataFrame(rows).assign(probability=rows["probability_PNEUMONIA"])


def manifest():
    images = pd.DataFrame({"image_id": ["a", "b", "c", "x", "unused"], "mode": "L"})
    return images.assign(**{name: np.arange(5.0) for name in NUMBERS})


def test_the_test_films_are_kept_with_their_statistics_and_without_their_names():
    rows = reference_rows(table(), manifest())
    assert rows["patient"].tolist() == [0, 1, 0]
    assert rows["mean"].tolist() == [2.0, 0.0, 1.0]
    assert rows["probability"].tolist() == [0.1, 0.8, 0.3]
    assert set(rows) == {"patient", *NUMBERS, *ANSWERS, *SHARES, "label"}
    assert not rows.astype(str).isin(["Smith", "Jones", "a", "b", "c"]).any(axis=None)


def test_with_many_classes_the_probability_is_that_of_the_class_called():
    assert reference_rows(table().drop(columns="probability"), manifest())["probability"].tolist() == [0.9, 0.8, 0.7]


def test_what_was_written_is_read_with_the_facts_of_the_model(tmp_path, release_model):
    card = release_model(tmp_path / "model")
    write_reference(reference_rows(table(), manifest().assign(bytes=None)), card, ["d1"], tmp_path / FILE)
    found = read_reference(tmp_path)
    assert (found.sha256, found.threshold, found.positive) == (card.sha256, 0.5, "PNEUMONIA")
    assert found.reference_films == {"d1"}
    assert found.labels == ("NORMAL", "PNEUMONIA")
    assert found.films["bytes"].isna().all()
    assert found.films["mean"].dtype == np.float64


def test_a_release_of_before_says_so(tmp_path):
    with pytest.raises(ReleaseError, match=r"no .*monitoring\.parquet: the release is older than monitoring"):
        read_reference(tmp_path)


@pytest.mark.parametrize("damage", [lambda file: file.write_bytes(b"x"), lambda file: table().to_parquet(file)])
def test_a_damaged_reference_is_named(tmp_path, damage):
    damage(tmp_path / FILE)
    with pytest.raises(ReleaseError, match=r"monitoring\.parquet is damaged"):
        read_reference(tmp_path)
