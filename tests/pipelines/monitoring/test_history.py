from dataclasses import replace
from datetime import timedelta

import pandas as pd
import pytest

from pipelines.errors import DataError
from pipelines.monitoring.history import (
    RETRAIN_COLUMNS,
    WINDOW_COLUMNS,
    WINDOWS,
    read_rows,
    with_judgements,
    with_row,
    write_rows,
)
from pipelines.monitoring.windows import Judgement, Window
from tests.pipelines.monitoring.conftest import MODEL, MONDAY, NOW, OTHER, dated, films_of

WEEK = timedelta(days=7)


@pytest.fixture
def judgement(rng):
    films = dated(films_of(rng, 40), MONDAY)
    return Judgement(Window(MONDAY, MONDAY + WEEK, True, films), "quiet", ())


def test_a_history_that_is_not_there_yet_is_empty(tmp_path):
    assert read_rows(tmp_path / WINDOWS, WINDOW_COLUMNS).columns.tolist() == WINDOW_COLUMNS


def test_what_was_written_is_read_again(tmp_path, judgement):
    rows = with_judgements(read_rows(tmp_path / WINDOWS, WINDOW_COLUMNS), [judgement], MODEL)
    write_rows(rows, tmp_path / "new" / WINDOWS)
    again = read_rows(tmp_path / "new" / WINDOWS, WINDOW_COLUMNS)
    assert again["start"].tolist() == [pd.Timestamp(MONDAY)]
    assert again["open"].tolist() == [True]
    assert (again["model"].tolist(), again["films"].tolist()) == ([MODEL], [len(judgement.window.films)])
    assert [path.name for path in (tmp_path / "new").iterdir()] == [WINDOWS]


def test_the_same_window_judged_again_is_one_row(tmp_path, judgement):
    once = with_judgements(read_rows(tmp_path / WINDOWS, WINDOW_COLUMNS), [judgement], MODEL)
    write_rows(once, tmp_path / WINDOWS)
    before = (tmp_path / WINDOWS).read_bytes()
    write_rows(
        with_judgements(read_rows(tmp_path / WINDOWS, WINDOW_COLUMNS), [judgement], MODEL),
        tmp_path / WINDOWS,
    )
    assert (tmp_path / WINDOWS).read_bytes() == before


def test_a_window_that_is_over_takes_the_place_of_the_open_one(judgement):
    over = replace(judgement, window=replace(judgement.window, open=False), verdict="drift")
    rows = with_judgements(with_judgements(pd.DataFrame(columns=WINDOW_COLUMNS), [judgement], MODEL), [over], MODEL)
    assert (rows["open"].tolist(), rows["verdict"].tolist()) == ([False], ["drift"])


def test_a_window_whose_films_the_log_has_lost_keeps_its_row(judgement):
    fewer = replace(judgement, window=replace(judgement.window, films=judgement.window.films[:9]), verdict="too few")
    rows = with_judgements(with_judgements(pd.DataFrame(columns=WINDOW_COLUMNS), [judgement], MODEL), [fewer], MODEL)
    assert rows["verdict"].tolist() == ["quiet"]


def test_each_model_has_windows_of_its_own(judgement):
    rows = with_judgements(pd.DataFrame(columns=WINDOW_COLUMNS), [judgement], MODEL)
    assert sorted(with_judgements(rows, [judgement], OTHER)["model"]) == [MODEL, OTHER]


def test_rows_are_added_at_the_end(tmp_path):
    rows = pd.DataFrame(columns=RETRAIN_COLUMNS)
    for run in ("first", "second"):
        rows = with_row(rows, time=NOW, model=MODEL, episode="2026-11-23", run=run)
    write_rows(rows, tmp_path / "retrains.csv")
    again = read_rows(tmp_path / "retrains.csv", RETRAIN_COLUMNS)
    assert again["run"].tolist() == ["first", "second"]
    assert again["time"].iloc[0] == NOW


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "\x00"])
def test_a_file_that_is_no_history_is_named(tmp_path, text):
    (tmp_path / WINDOWS).write_text(text)
    with pytest.raises(DataError, match=r"windows\.csv is no history of monitoring"):
        read_rows(tmp_path / WINDOWS, WINDOW_COLUMNS)
