import numpy as np
import pandas as pd
import pytest

from pipelines.errors import DataError, ModelError
from pipelines.evaluation.predictions import check_table, patients_of, read_record, tabulate, write_record
from pipelines.inference import Answers
from tests.pipelines.conftest import BINARY, card_of, described_rows, terms_of


@pytest.fixture
def table(measured, labels):
    return measured(labels, test=np.arange(12) % 2)[1]["test"]


def test_a_record_comes_back_with_its_terms(table, labels, tmp_path):
    terms = terms_of(labels).model_dump(mode="json")
    write_record(table, terms, tmp_path / "p.parquet")
    found, told = read_record(tmp_path / "p.parquet")
    pd.testing.assert_frame_equal(found, table, check_dtype=False)
    assert told == terms


def test_any_reader_of_parquet_reads_the_table(table, labels, tmp_path):
    write_record(table, terms_of(labels).model_dump(mode="json"), tmp_path / "p.parquet")
    assert list(pd.read_parquet(tmp_path / "p.parquet")["probability"]) == list(table["probability"])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda table: table.drop(columns="probability"), "has no column probability. Run the evaluate stage again"),
        (lambda table: table.drop(columns=["site", "target"]), "has no column site, target"),
        (lambda table: table.assign(probability=np.nan), "12 rows whose probability is not a number"),
        (lambda table: table.assign(probability="high"), "12 rows whose probability is not a number"),
        (lambda table: table.assign(probability_NORMAL=1.5), "12 rows whose probability_NORMAL lies outside"),
        (lambda table: table.assign(champion_probability_NORMAL=-0.1), "champion_probability_NORMAL lies outside"),
        (lambda table: table.assign(probability_NORMAL=0.0), "probabilities do not add up to 1"),
        (lambda table: table.assign(target=7), "12 rows whose target is none of 0 to 1"),
        (lambda table: pd.concat([table, table]), "has 12 images twice"),
        (lambda table: table.head(0), "has no rows"),
    ],
)
def test_a_table_that_figures_cannot_follow_from_is_refused_in_one_sentence(table, spoil, said):
    with pytest.raises(DataError, match=said):
        check_table(spoil(table), BINARY, "p.parquet")


def test_a_file_that_is_no_record_is_refused(table, tmp_path):
    path = tmp_path / "p.parquet"
    with pytest.raises(DataError, match="There is no .*Run the evaluate stage first"):
        read_record(path)
    path.write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match="is no Parquet file"):
        read_record(path)
    table.to_parquet(path)
    with pytest.raises(DataError, match="does not hold the terms"):
        read_record(path)


def test_a_patient_is_one_within_his_site_alone():
    rows = pd.DataFrame({"site": ["a", "a", "b", "b"], "patient_id": ["1", "1", "1", None]})
    assert list(patients_of(rows)) == [0, 0, 1, 2]


@pytest.mark.parametrize("bad", [np.nan, -0.1, 1.2])
def test_a_probability_that_is_none_is_the_model_s_fault(bad):
    chances = np.full((4, 2), 0.5)
    chances[2, 1] = bad
    answers = Answers(chances, np.zeros((4, 2, 2)), np.zeros(4))
    with pytest.raises(ModelError, match="gives 1 of 4 images a probability outside"):
        tabulate(described_rows("test", [0, 1, 0, 1]), answers, card_of(BINARY))
