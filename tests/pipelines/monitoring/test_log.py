from datetime import timedelta

import pytest

from pipelines.monitoring.log import parsed, read_logs
from tests.pipelines.monitoring.conftest import MONDAY, NOW, OTHER, TRAVELS, dated, films_of, lines_of


@pytest.fixture
def answers(rng):
    """The log lines of some films, and their number."""
    return lines_of(dated(films_of(rng, 10), MONDAY, days=2))


def write(folder, lines, name="predictions.jsonl", end="\n"):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("\n".join(lines) + end)
    return folder


def test_all_files_of_all_folders_are_read_in_order_of_time(tmp_path, answers, reference):
    half = len(answers) // 2
    first = write(tmp_path / "a", answers[half:-1])
    write(tmp_path / "a", answers[:half], "predictions.jsonl.1")
    second = write(tmp_path / "b", answers[-1:])
    log = read_logs([first, second], reference, NOW)
    assert log.notes == ()
    assert log.films["sha256"].tolist() == [f"film-{number}" for number in range(len(answers))]


def test_a_folder_without_a_log_is_named(tmp_path, reference):
    log = read_logs([tmp_path / "none"], reference, NOW)
    assert log.films.empty
    assert log.notes == (f"There is no prediction log in {tmp_path / 'none'}.",)


def test_an_empty_log_has_no_films_and_nothing_to_say(tmp_path, reference):
    log = read_logs([write(tmp_path, [], end="")], reference, NOW)
    assert (len(log.films), log.notes) == (0, ())


def test_a_line_that_is_still_being_written_is_left_for_later(tmp_path, answers, reference):
    log = read_logs([write(tmp_path, [*answers, answers[0][:80]], end="")], reference, NOW)
    assert (len(log.films), log.notes) == (len(answers), ())


def test_damaged_lines_are_counted_and_the_first_one_is_named(tmp_path, answers, reference):
    broken = answers[0][:50] + answers[1]  # the machine went down while it wrote, and the next line followed
    no_number = answers[2].replace('"mean": ', '"mean": "x", "was": ')
    log = read_logs([write(tmp_path, [*answers[3:], broken, no_number, "[1]", "é\x00"])], reference, NOW)
    assert len(log.films) == len(answers) - 3
    (note,) = log.notes
    assert note.startswith(f"Left out: 4 lines of {tmp_path / 'predictions.jsonl'}")
    assert note.endswith(f"the first of them line {len(answers) - 2}.")


def test_bytes_that_are_no_text_stop_nothing(tmp_path, answers, reference):
    write(tmp_path, answers)
    with (tmp_path / "predictions.jsonl").open("ab") as file:
        file.write(b"\xff\xfe\x00\n")
    log = read_logs([tmp_path], reference, NOW)
    assert (len(log.films), len(log.notes)) == (len(answers), 1)


def test_a_file_that_is_met_twice_because_it_was_begun_anew_counts_once(tmp_path, answers, reference):
    write(tmp_path, answers)
    write(tmp_path, answers, "predictions.jsonl.1")
    assert len(read_logs([tmp_path], reference, NOW).films) == len(answers)


def test_answers_of_another_model_are_left_out_and_counted(tmp_path, answers, reference, rng):
    others = lines_of(dated(films_of(rng, 3), MONDAY, prefix="other"), model=OTHER)
    log = read_logs([write(tmp_path, answers + others)], reference, NOW - timedelta(hours=1))
    assert len(log.films) == len(answers)
    assert log.notes == (f"Left out: {len(others)} answers of another model, {OTHER[:12]}.",)


def test_films_that_travel_with_the_model_are_no_films_of_the_clinic(tmp_path, answers, reference, rng):
    own = lines_of(dated(films_of(rng, 1)[:1], MONDAY).assign(sha256=TRAVELS))
    log = read_logs([write(tmp_path, answers + own)], reference, NOW)
    assert len(log.films) == len(answers)
    assert log.notes == ("Left out: 1 answer to films that travel with the model.",)


def test_only_predictions_count(tmp_path, answers, reference, rng):
    others = lines_of(dated(films_of(rng, 1)[:1], MONDAY, prefix="seen"), call="/explain")
    batch = lines_of(dated(films_of(rng, 1)[:1], MONDAY, prefix="batch"), call="/predict_batch")
    log = read_logs([write(tmp_path, answers + others + batch)], reference, NOW)
    assert len(log.films) == len(answers) + 1
    assert log.notes == ("Left out: 1 answer to other calls than /predict and /predict_batch.",)


def test_answers_dated_after_now_are_left_out_and_said(tmp_path, answers, reference):
    log = read_logs([write(tmp_path, answers)], reference, MONDAY)
    assert len(log.films) == 1
    assert log.notes == (f"Left out: {len(answers) - 1} answers dated after now: a clock is wrong.",)


@pytest.mark.parametrize("text", ["", "null", "{}", '{"time": 5}', '{"time": "yesterday"}'])
def test_what_is_no_line_is_none(text):
    assert parsed(text) is None


def test_the_service_writes_what_is_read_here(tmp_path, release_model, as_png):
    import numpy as np

    from pipelines.monitoring.reference import NUMBERS
    from serving.prediction_log import PredictionLog
    from serving.runtime import Predictor

    release_model(tmp_path / "model")
    predictor = Predictor(tmp_path / "model")
    film = predictor.read(as_png(np.full((50, 70), 200, "uint8")))
    log = PredictionLog(tmp_path, 10_000, 2)
    log.write("r1", "/predict", film, predictor.answer(film, predictor.run(film.frame[None])))
    log.close()
    (row,) = [parsed(text) for text in (tmp_path / "predictions.jsonl").read_text().splitlines()]
    assert row is not None
    assert {"width": 70, "height": 50, "bits": 8}.items() <= {name: row[name] for name in NUMBERS}.items()
    assert row["model_sha256"] == predictor.card.sha256
