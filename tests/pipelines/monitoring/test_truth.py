from dataclasses import replace

import pandas as pd
import pytest

from pipelines.errors import DataError
from pipelines.intervals import wilson
from pipelines.monitoring.truth import read_labels, truth
from tests.pipelines.monitoring.conftest import MONDAY, dated, films_of, reference_of

RELEASED = {
    **{"sensitivity": 0.97, "sensitivity_low": 0.93, "sensitivity_high": 0.99},
    **{"specificity": 0.98, "specificity_low": 0.95, "specificity_high": 0.99},
    **{"accuracy": 0.97, "accuracy_low": 0.95, "accuracy_high": 0.99},
}


@pytest.fixture
def films(rng):
    return dated(films_of(rng, 100), MONDAY)


def labels_of(films, column="truth"):
    return pd.DataFrame({"sha256": films["sha256"], "label": films[column]})


def figure(found, name):
    return next(one for one in found.figures if one.name == name)


@pytest.mark.parametrize("header", ["sha256,label", "hash,truth", "SHA256, Label", "label,patient,sha256"])
def test_labels_are_read_under_any_of_their_names(tmp_path, header):
    cells = {"sha256": "AB12", "hash": "AB12", "label": "NORMAL", "truth": "NORMAL", "patient": "x"}
    row = ",".join(cells[name.strip().lower()] for name in header.split(","))
    (tmp_path / "labels.csv").write_text(f"{header}\n{row}\n")
    assert read_labels(tmp_path / "labels.csv").to_dict("records") == [{"sha256": "ab12", "label": "NORMAL"}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "There is no .*labels.csv"),
        ("", "is no CSV file"),
        ("a,b\n1,2\n", "has the columns a, b. Expected sha256"),
    ],
)
def test_a_file_that_holds_no_labels_is_named(tmp_path, text, said):
    if text is not None:
        (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(DataError, match=said):
        read_labels(tmp_path / "labels.csv")


def test_a_model_that_is_right_as_often_as_at_its_release_raises_no_alarm(films, reference):
    found = truth(films, labels_of(films[:120]), reference, RELEASED)
    assert (found.labelled, found.without, found.notes) == (120, len(films) - 120, ())
    assert found.implausible == ()
    sensitivity = figure(found, "sensitivity")
    assert sensitivity.n == (films["truth"][:120] == "PNEUMONIA").sum()
    assert sensitivity.low < sensitivity.value <= sensitivity.high


def test_a_model_that_misses_half_of_the_ill_raises_the_alarm(films, reference):
    missed = films.assign(label=films["label"].where(films.index % 2 == 0, "NORMAL"))
    found = truth(missed, labels_of(films), reference, RELEASED)
    assert [one.name for one in found.implausible] == ["sensitivity"]


def test_intervals_count_films_of_one_patient_as_what_they_add(films, rng):
    own = reference_of(rng)
    alone = replace(own, films=own.films.assign(patient=range(len(own.films))))
    wide, narrow = (figure(truth(films, labels_of(films), one, RELEASED), "specificity") for one in (own, alone))
    count = round(narrow.value * narrow.n)
    assert (narrow.low, narrow.high) == wilson(count, narrow.n)
    assert wide.low < narrow.low


def test_labels_of_unknown_films_and_of_unknown_classes_are_named(films, reference):
    strange = pd.DataFrame({"sha256": ["nowhere", "film-0"], "label": ["NORMAL", "COVID"]})
    found = truth(films, pd.concat([strange, labels_of(films[1:5])]), reference, RELEASED)
    assert found.labelled == 4
    assert found.notes == (
        "1 label that the model does not know, e.g. 'COVID'. Expected NORMAL or PNEUMONIA.",
        "1 label of films that this model did not answer in the log, e.g. nowhere.",
    )


def test_a_film_with_two_labels_counts_as_none_and_the_same_label_twice_as_one(films, reference):
    given = labels_of(films[:6])
    other = given[:1].assign(label="PNEUMONIA" if given["label"].iloc[0] == "NORMAL" else "NORMAL")
    found = truth(films, pd.concat([given, given[1:2], other]), reference, RELEASED)
    assert found.labelled == 5
    assert found.notes == ("1 film with two different labels, left out, e.g. film-0.",)


def test_of_a_film_that_was_asked_twice_the_last_answer_counts(films, reference):
    again = films[:1].assign(label="PNEUMONIA")
    given = labels_of(films[:1]).assign(label="PNEUMONIA")
    first = films[:1].assign(label="NORMAL")
    assert figure(truth(pd.concat([first, again]), given, reference, RELEASED), "sensitivity").value == 1.0


def test_without_a_label_there_is_no_figure_and_no_alarm(films, reference):
    found = truth(films, labels_of(films[:0]), reference, RELEASED)
    assert (found.labelled, found.without) == (0, len(films))
    assert all(one.value is None and not one.implausible for one in found.figures)


def test_with_many_classes_accuracy_is_watched(films, rng):
    reference = reference_of(rng, positive=None, threshold=None)
    reference.films["decision"] = reference.films["label"]
    found = truth(films.assign(label="NORMAL"), labels_of(films), reference, RELEASED)
    assert [one.name for one in found.implausible] == ["accuracy"]
