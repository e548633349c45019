import itertools

import numpy as np
import pytest

from pipelines.errors import ModelError
from pipelines.training.course import Course, auc, best_of, figures

TARGETS = np.array([0, 0, 1, 1])


def probability(score):
    """Of the positive class: the higher the score, the better the four images are told apart."""
    return np.array([[0.5 - score], [0.4], [0.6], [0.5 + score]])


@pytest.fixture
def course(training):
    def make(**changes):
        return Course(training(**{"learning_rate": 1.0, "warm_up": 0.1} | changes), TARGETS)

    return make


def test_the_rate_warms_up_and_falls_with_the_cosine(course):
    rates = [course(schedule="cosine").rate(step, 100) for step in range(100)]
    assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert rates[55] == pytest.approx(0.5)
    assert 0 < rates[99] < 0.001
    assert all(one >= two for one, two in itertools.pairwise(rates[10:]))


def test_a_constant_rate_stays(course):
    assert {course(schedule="constant", warm_up=0.0).rate(step, 50) for step in range(50)} == {1.0}


def test_a_phase_may_have_a_peak_of_its_own(course):
    assert course(schedule="constant", warm_up=0.0).rate(3, 50, peak=0.25) == 0.25


def test_at_a_plateau_the_rate_drops(course):
    run = course(schedule="plateau", patience=4, warm_up=0.0, monitor="loss")
    for epoch, score in enumerate([0.3, 0.2, 0.1], 1):
        run.judge(epoch, 0.5, probability(score))
    assert run.rate(0, 10) == pytest.approx(0.2)
    run.judge(4, 0.5, probability(0.1))
    run.judge(5, 0.5, probability(0.1))
    assert run.rate(0, 10) == pytest.approx(0.04)


def test_the_best_epoch_is_that_of_the_figure_which_the_recipe_monitors():
    history = [
        {"val_auc": 0.9, "val_accuracy": 0.7, "val_loss": 0.5},
        {"val_auc": 0.8, "val_accuracy": 0.9, "val_loss": 0.6},
        {"val_auc": 0.7, "val_accuracy": 0.8, "val_loss": 0.4},
        {"val_auc": 0.9, "val_accuracy": 0.9, "val_loss": 0.4},
    ]
    assert [history.index(best_of(history, monitor)) for monitor in ("auc", "accuracy", "loss")] == [0, 1, 2]


def test_patience_ends_the_run(course):
    run = course(patience=2, monitor="loss")
    assert run.judge(1, 0.5, probability(0.3))
    assert not run.stop
    assert not run.judge(2, 0.5, probability(0.2))
    assert not run.stop
    assert not run.judge(3, 0.5, probability(0.1))
    assert run.stop


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_the_run_in_a_sentence(course, loss):
    with pytest.raises(ModelError, match=r"loss of epoch 3 is (nan|inf).*train\.learning_rate"):
        course().judge(3, loss, np.full((4, 1), np.nan))


def test_a_new_phase_has_patience_of_its_own_and_must_beat_the_best_so_far(course):
    run = course(patience=2, monitor="loss")
    for epoch, score in enumerate([0.3, 0.2, 0.1], 1):
        run.judge(epoch, 0.5, probability(score))
    run.begin_phase()
    assert not run.stop
    assert not run.judge(1, 0.5, probability(0.25))
    assert run.best["epoch"] == 1
    assert not run.stop
    run.judge(2, 0.5, probability(0.25))
    assert run.stop


def test_a_restored_course_goes_on_as_the_first_would(course):
    import json

    one, two = course(schedule="plateau", patience=4), course(schedule="plateau", patience=4)
    for epoch in (1, 2, 3):
        one.judge(epoch, 0.1 * epoch, probability(0.1))
    two.restore(json.loads(json.dumps(one.state())))
    for run in (one, two):
        run.judge(4, 0.3, probability(0.05))
    assert one.state() == two.state()
    assert one.rate(5, 9) == two.rate(5, 9)


def test_figures_of_two_classes():
    found = figures(TARGETS, np.array([[0.1], [0.6], [0.4], [0.8]]))
    assert found["val_accuracy"] == 0.5
    assert found["val_auc"] == 0.75
    assert found["val_loss"] == pytest.approx(-np.mean(np.log([0.9, 0.4, 0.4, 0.8])))


def test_figures_of_three_classes():
    sure = np.eye(3)[[0, 1, 2, 0]] * 0.8 + 0.2 / 3
    found = figures(np.array([0, 1, 2, 0]), sure)
    assert (found["val_accuracy"], found["val_auc"]) == (1.0, 1.0)
    assert auc(np.array([0, 1, 2, 1]), sure) < 1
