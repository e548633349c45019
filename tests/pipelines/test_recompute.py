import json

import numpy as np
import pandas as pd
import pytest

from pipelines.errors import DataError
from pipelines.evaluation.files import as_json
from pipelines.evaluation.predictions import write_record
from pipelines.evaluation.record import record
from pipelines.recipe import GateParams, LabelParams
from pipelines.recompute import differences, main, recompute
from tests.pipelines.conftest import terms_of

GATES = (GateParams(metric="accuracy", split="test", bound="low", minimum=0.2),)
TEN = LabelParams(names=tuple("abcdefghij"), positive=None)


@pytest.fixture
def written(measured, labels, tmp_path):
    """A function that writes the record of imagined answers, and gives its folder."""

    def write(labels=labels, classes=2):
        _, tables, _ = measured(labels, test=np.arange(80) % classes, external=np.arange(40) % classes)
        table, terms = pd.concat(tables.values(), ignore_index=True), terms_of(labels, GATES)
        write_record(table, terms.model_dump(mode="json"), tmp_path / "probabilities.parquet")
        for name, content in record(table, terms).files().items():
            (tmp_path / name).write_text(as_json(content))
        return tmp_path

    return write


@pytest.mark.parametrize(("classes", "names"), [(2, None), (10, TEN)])
def test_the_whole_record_follows_from_the_table_to_the_last_digit(written, labels, classes, names, capsys):
    folder = written(names or labels, classes)
    main(["--evaluation", str(folder)])
    assert "metrics.json, gates.json, comparison.json: equal to the last digit." in capsys.readouterr().out


def test_a_figure_changed_by_hand_is_found(written, capsys):
    folder = written()
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["test"]["auc"] += 1e-15 * 4
    (folder / "metrics.json").write_text(as_json(metrics))
    with pytest.raises(DataError, match=r"metrics.json differs .* in 1 places: test.auc \("):
        recompute(folder)
    with pytest.raises(SystemExit):
        main(["--evaluation", str(folder)])
    assert capsys.readouterr().err.startswith("error: ")


def test_a_probability_changed_by_hand_is_found(written):
    folder = written()
    table, terms = (
        pd.read_parquet(folder / "probabilities.parquet"),
        terms_of(LabelParams(names=("NORMAL", "PNEUMONIA"), positive="PNEUMONIA"), GATES),
    )
    table.loc[0, ["probability", "probability_PNEUMONIA", "probability_NORMAL"]] = [0.999, 0.999, 0.001]
    write_record(table, terms.model_dump(mode="json"), folder / "probabilities.parquet")
    with pytest.raises(DataError, match="metrics.json differs"):
        recompute(folder)


@pytest.mark.parametrize(("text", "said"), [(None, "There is no .*gates.json"), ("{", "is not JSON")])
def test_a_record_that_is_not_whole_is_refused(written, text, said):
    folder = written()
    (folder / "gates.json").unlink() if text is None else (folder / "gates.json").write_text(text)
    with pytest.raises(DataError, match=said):
        recompute(folder)


def test_differences_are_named_by_their_place():
    assert list(differences({"a": [1, {"b": 2}], "c": 3}, {"a": [1, {"b": 4}], "d": 5})) == [
        "a.1.b (2 written, 4 computed)",
        "c (3 written, None computed)",
        "d (None written, 5 computed)",
    ]
