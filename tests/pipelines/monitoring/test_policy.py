from datetime import timedelta

import pandas as pd
import pytest

from pipelines.monitoring.history import RETRAIN_COLUMNS, WINDOW_COLUMNS
from pipelines.monitoring.policy import episode, step
from tests.pipelines.monitoring.conftest import MODEL, MONDAY, NOW, OTHER, RULES

WEEK = timedelta(days=7)
NONE = pd.DataFrame(columns=RETRAIN_COLUMNS)


def history(*verdicts, model=MODEL, last=MONDAY):
    """Windows that follow each other, the last one that of now."""
    starts = [last - (len(verdicts) - 1 - place) * WEEK for place in range(len(verdicts))]
    rows = [
        {"model": model, "start": start, "end": start + WEEK, "verdict": verdict}
        for start, verdict in zip(starts, verdicts, strict=True)
    ]
    return pd.DataFrame(rows, columns=WINDOW_COLUMNS)


def retrains(*times, episode="2026-10-05", model=MODEL):
    return pd.DataFrame(
        [{"time": pd.Timestamp(time), "model": model, "episode": episode, "run": "r"} for time in times]
    )


@pytest.mark.parametrize(
    ("verdicts", "began"),
    [
        ((), None),
        (("quiet",), None),
        (("too few", "too few"), None),
        (("drift",), "2026-11-23"),
        (("quiet", "drift", "drift"), "2026-11-16"),
        (("drift", "quiet", "drift"), "2026-11-23"),
        (("drift", "too few", "drift", "too few"), "2026-11-02"),
        (("drift", "drift", "quiet"), None),
        (("quiet", "drift", "quiet", "too few"), None),
    ],
)
def test_an_episode_is_an_unbroken_run_of_alarms_that_goes_on(verdicts, began):
    assert episode(history(*verdicts), MODEL, NOW, 7) == began


def test_a_drift_of_long_ago_does_not_go_on():
    assert episode(history("quiet", "drift", last=MONDAY - 3 * WEEK), MODEL, NOW, 7) is None


def test_a_drift_of_another_model_is_none_of_this_one():
    assert episode(history("drift", model=OTHER), MODEL, NOW, 7) is None


def test_an_alarm_triggers_once_for_each_episode():
    first = step("2026-11-16", NONE, MODEL, NOW, RULES)
    assert (first.retrain, first.episode) == (True, "2026-11-16")
    again = step("2026-11-16", retrains(NOW - 5 * WEEK, episode="2026-11-16"), MODEL, NOW, RULES)
    assert not again.retrain
    assert "has triggered one already" in again.sentence


def test_a_new_episode_and_a_new_model_trigger_anew():
    earlier = retrains(NOW - 5 * WEEK, episode="2026-11-16")
    assert step("2026-11-23", earlier, MODEL, NOW, RULES).retrain
    assert step("2026-11-16", earlier, OTHER, NOW, RULES).retrain


def test_a_week_has_no_more_retrainings_than_the_recipe_allows():
    lately = retrains(NOW - timedelta(days=6))
    refused = step("2026-11-23", lately, MODEL, NOW, RULES)
    assert not refused.retrain
    assert "there were 1 in the last seven days, and monitor.retrains_per_week is 1" in refused.sentence
    assert step("2026-11-23", lately, MODEL, NOW + timedelta(days=2), RULES).retrain
    assert step("2026-11-23", lately, MODEL, NOW, RULES.model_copy(update={"retrains_per_week": 2})).retrain


def test_the_recipe_may_leave_retraining_to_people():
    left = step("2026-11-23", NONE, MODEL, NOW, RULES.model_copy(update={"retrain": False}))
    assert not left.retrain
    assert "monitor.retrain of the recipe is false" in left.sentence


def test_without_an_alarm_nothing_is_triggered():
    assert not step(None, NONE, MODEL, NOW, RULES).retrain
