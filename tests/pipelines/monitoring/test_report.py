"""The page: that it stands alone, says the verdict, and draws what there is."""

import re
from datetime import timedelta

import pandas as pd
import pytest

from pipelines.monitoring.history import WINDOW_COLUMNS, with_judgements
from pipelines.monitoring.policy import Step
from pipelines.monitoring.report import Found, by_day, markdown, render
from pipelines.monitoring.sentences import verdict
from pipelines.monitoring.shift import sides
from pipelines.monitoring.truth import truth
from pipelines.monitoring.windows import cut, judge
from tests.pipelines.monitoring.conftest import MODEL, MONDAY, NOW, RULES, dated, films_of
from tests.pipelines.monitoring.test_truth import RELEASED, labels_of

WEEK = timedelta(days=7)


@pytest.fixture
def found(reference, rng):
    """What is found of films: `found(films)`."""

    def look(films, labels=None, **changes):
        judgements = [judge(window, sides(reference), RULES) for window in cut(films, 7, NOW)]
        known = truth(films, labels, reference, RELEASED) if labels is not None else None
        facts = {
            "reference": reference,
            "rules": RULES,
            "title": "Pneumonia <phantom>",
            "now": NOW,
            "judgements": judgements,
            "history": with_judgements(pd.DataFrame(columns=WINDOW_COLUMNS), judgements, MODEL),
            "answers": films["time"],
            "notes": (),
            "truth": known,
            "health": None,
            "unhealthy": (),
            "verdict": verdict(judgements, None, known, RULES.films),
            "step": Step(False, None, "Nothing is done."),
        }
        return Found(**(facts | changes))

    return look


def films(rng, darker=0.0):
    week = dated(films_of(rng, 60), MONDAY - 2 * WEEK, prefix="early")
    return pd.concat([week, dated(films_of(rng, 60, darker=darker), MONDAY - WEEK)], ignore_index=True)


def test_the_page_needs_nothing_else_to_be_read(found, rng):
    page = render(found(films(rng)))
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert "Pneumonia &lt;phantom&gt;" in page
    assert "No drift." in page


def test_a_drift_is_told_with_its_statistic_its_window_and_a_chart(found, rng):
    page = render(found(films(rng, darker=40)))
    assert "Drift." in page
    assert "Mean grey level went from" in page
    row = r'<th class="day">2026-11-16</th><td class="day">2026-11-23</td><td>\d+</td><td>drift</td>'
    assert re.search(f"<tr class=differs>{row}", page)
    assert page.count("data:image/png") == 2 + len(("mean", "std", "bytes", "probability", "familiarity"))


def test_without_films_there_is_a_page_without_charts(found, rng):
    page = render(found(films(rng)[:0]))
    assert "No data." in page
    assert "data:image/png" not in page


def test_late_labels_have_their_figures_and_their_chart(found, rng):
    given = films(rng)
    page = render(found(given, labels_of(given[:40])))
    assert f"40 of {len(given)} films have a label so far." in page
    assert "Figures of films with a label beside those of the release" in page


def test_labels_of_no_film_leave_the_chart_out(found, rng):
    given = films(rng)
    page = render(found(given, labels_of(given[:0])))
    assert f"0 of {len(given)} films have a label so far." in page
    assert "Figures of films with a label beside" not in page


def test_what_was_left_out_and_what_is_wrong_with_the_service_is_told(found, rng):
    one = found(films(rng), notes=("Left out: 3 answers.",), unhealthy=("The service is not ready.",))
    for text in (render(one), markdown(one)):
        assert "Left out: 3 answers." in text
        assert "The service is not ready." in text


def test_films_are_counted_by_day(found, rng):
    given = films(rng)
    counts = by_day(given["time"], found(given).judgements)
    assert sum(count for _, count in counts) == len(given)
    assert len(counts) == 14
