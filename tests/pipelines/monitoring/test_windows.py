from datetime import timedelta

import pandas as pd

from pipelines.monitoring.shift import sides
from pipelines.monitoring.windows import cut, first_day, judge, level
from tests.pipelines.monitoring.conftest import MONDAY, NOW, RULES, dated, films_of

WEEK = timedelta(days=7)


def test_a_week_begins_on_monday_at_midnight():
    assert first_day(NOW, 7) == MONDAY
    assert first_day(MONDAY, 7) == MONDAY
    assert first_day(MONDAY - timedelta(milliseconds=1), 7) == MONDAY - WEEK


def test_each_window_with_films_and_the_open_one_come_in_order(rng):
    before = dated(films_of(rng, 5), MONDAY - 3 * WEEK, prefix="early")
    films = pd.concat([before, dated(films_of(rng, 4), MONDAY, days=2)], ignore_index=True)
    found = list(cut(films, 7, NOW))
    assert [(window.start, window.open) for window in found] == [(MONDAY - 3 * WEEK, False), (MONDAY, True)]
    assert [len(window.films) for window in found] == [len(before), len(films) - len(before)]


def test_without_any_film_there_is_the_open_window_alone(rng):
    (window,) = cut(dated(films_of(rng, 1), MONDAY)[:0], 7, NOW)
    assert (window.start, window.end, window.open, len(window.films)) == (MONDAY, MONDAY + WEEK, True, 0)


def test_a_film_that_was_asked_twice_counts_once_in_a_window_and_again_in_the_next(rng):
    films = dated(films_of(rng, 5), MONDAY - WEEK, days=5)
    twice = pd.concat([films, films.assign(time=films["time"] + timedelta(hours=1))]).sort_values("time")
    later = films.assign(time=films["time"] + WEEK)
    found = list(cut(pd.concat([twice, later[later["time"] < NOW]], ignore_index=True), 7, NOW))
    assert len(found[0].films) == len(films)
    assert len(found[1].films) > 0


def test_too_few_films_are_not_judged(rng, reference):
    (window,) = cut(dated(films_of(rng, 40, darker=90)[:49], MONDAY, days=2), 7, NOW)
    judgement = judge(window, sides(reference), RULES)
    assert (judgement.verdict, judgement.shifts) == ("too few", ())


def test_a_window_of_the_same_hospital_is_quiet_and_one_of_darker_films_drifts(rng, reference):
    same, darker = (dated(films_of(rng, 40, darker=by), MONDAY, days=2) for by in (0, 40))
    verdicts = [judge(next(cut(films, 7, NOW)), sides(reference), RULES).verdict for films in (same, darker)]
    assert verdicts == ["quiet", "drift"]


def test_what_is_spent_on_the_open_window_and_on_the_last_look_is_the_share_of_the_recipe():
    assert level(RULES, True) + level(RULES, False) == RULES.false_alarms
    assert level(RULES, True) < level(RULES, False)
