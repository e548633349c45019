from dataclasses import replace
from datetime import timedelta

import pytest

from pipelines.monitoring.sentences import p_value, quartiles, shifted, too_few, verdict
from pipelines.monitoring.shift import Shift
from pipelines.monitoring.truth import Figure, Truth
from pipelines.monitoring.windows import Judgement, Window
from tests.pipelines.monitoring.conftest import MONDAY, dated, films_of

WEEK = timedelta(days=7)
MEAN = Shift(
    "mean",
    0.62,
    1e-9,
    1e-8,
    True,
    {"low": 110.2, "median": 120.4, "high": 131.0},
    {"low": 80, "median": 90, "high": 97},
)
DECISION = Shift(
    "decision", 0.9, 1e-9, 1e-8, True, {"positive": 0.4, "negative": 0.6}, {"refused": 0.9, "negative": 0.1}
)
WORSE = Figure("sensitivity", 0.5, 0.4, 0.6, 80, 0.95, 0.9, 0.98)


def judged(rng, word, weeks_ago=0, shifts=(), films=90):
    window = Window(
        MONDAY - weeks_ago * WEEK, MONDAY + (1 - weeks_ago) * WEEK, weeks_ago == 0, films_of(rng, films)[:films]
    )
    return Judgement(window, word, tuple(shifts))


def test_nothing_answered_is_no_data(rng):
    said = verdict([judged(rng, "too few", films=0)], None, None, 50)
    assert (said.kind, said.headline) == ("no data", "No data.")
    assert said.sentences == ("No films since 23 November 2026, 50 are needed.",)


def test_too_few_films_are_told_of_this_window_and_of_the_one_before(rng):
    said = verdict([judged(rng, "too few", 1, films=1), judged(rng, "too few", films=31)], None, None, 50)
    assert said.kind == "too few"
    assert said.sentences == (
        "31 films since 23 November 2026, 50 are needed.",
        "1 film from 16 November 2026 to 22 November 2026, 50 are needed.",
    )


def test_while_a_new_window_has_few_films_the_verdict_rests_on_the_one_before(rng):
    before = judged(rng, "drift", 1, [MEAN])
    said = verdict([before, judged(rng, "too few", films=3)], "2026-11-02", None, 50)
    assert (said.kind, said.subject) == ("drift", before)
    assert said.sentences[0] == (
        "90 films from 16 November 2026 to 22 November 2026 are not like those that the model was tested on. The drift "
        "began in the window of 2 November 2026."
    )
    assert (
        said.sentences[1] == "Mean grey level went from 120 (110 to 131) to 90 (80 to 97) (distance 0.62, p < 0.0001)."
    )
    assert said.sentences[-1] == "3 films since 23 November 2026, 50 are needed."


def test_a_window_of_long_ago_is_no_verdict_on_now(rng):
    said = verdict([judged(rng, "drift", 4, [MEAN]), judged(rng, "too few", films=3)], None, None, 50)
    assert (said.kind, said.subject) == ("too few", None)


def test_a_quiet_window_names_the_shift_that_was_nearest_to_an_alarm(rng):
    near = replace(MEAN, drifted=False, adjusted=0.31)
    said = verdict([judged(rng, "quiet", shifts=[near])], None, None, 50)
    assert said.kind == "quiet"
    assert (
        "like those that the model was tested on; the least certain to be the same: mean grey level"
        in said.sentences[0]
    )


def test_figures_that_no_longer_hold_are_said_first(rng):
    truth = Truth((WORSE,), 80, 20, ())
    said = verdict([judged(rng, "quiet")], None, truth, 50)
    assert said.kind == "worse"
    assert said.sentences[0] == (
        "Sensitivity is 0.500 (0.400 to 0.600) of 80 films with a label; at the release it was 0.950 (0.900 to 0.980)."
    )
    assert verdict([judged(rng, "drift", shifts=[MEAN])], None, truth, 50).kind == "drift"


def test_of_shares_the_category_that_moved_most_is_told():
    assert shifted(DECISION) == "decision refused went from 0 % to 90 % of films (distance 0.90, p < 0.0001)"
    assert quartiles(DECISION, "was") == "negative 60 %, positive 40 %"


@pytest.mark.parametrize(
    ("p", "said"), [(0.0312, "p = 0.031"), (1e-4, "p = 0.0001"), (3e-7, "p < 0.0001"), (1, "p = 1")]
)
def test_p_values_have_two_digits(p, said):
    assert p_value(p) == said


def test_dates_are_those_of_the_first_and_the_last_day(rng):
    window = Window(MONDAY, MONDAY + WEEK, False, dated(films_of(rng, 1), MONDAY)[:1])
    assert too_few(window, 50) == "1 film from 23 November 2026 to 29 November 2026, 50 are needed"
