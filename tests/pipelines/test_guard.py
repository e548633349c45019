import dataclasses

import numpy as np
import pytest

from pipelines.card import Familiarity, Limits
from pipelines.guard import BEYOND, UNLIKE, judge, strange
from pipelines.recipe import LabelParams
from pipelines.statistics import Statistics
from tests.pipelines.conftest import BINARY, STATISTICS, card_of

USUAL = Statistics(**STATISTICS)
LIMITS = Limits(
    colour=(-5.0, 5.0),
    std=(20.0, 80.0),
    mean=(60.0, 200.0),
    dark=(-0.02, 0.3),
    bright=(-0.02, 0.1),
)
CARD = card_of(BINARY, limits=LIMITS)
SURE = np.array([0.1, 0.9])


def like(**changes):
    return dataclasses.replace(USUAL, **changes)


def test_a_usual_picture_is_answered_without_a_reason():
    verdict = judge(CARD, SURE, 0.5, USUAL)
    assert (verdict.decision, verdict.familiarity, verdict.reason) == ("positive", 0.75, None)


def test_a_picture_that_is_far_off_is_refused_with_a_reason():
    verdict = judge(CARD, SURE, 20.0, USUAL)
    assert (verdict.decision, verdict.familiarity, verdict.reason) == ("refused", 0.0, UNLIKE)


@pytest.mark.parametrize("name", list(BEYOND))
@pytest.mark.parametrize("side", [0, 1])
def test_a_picture_beyond_a_limit_is_refused_and_the_reason_says_which(name, side):
    limit = getattr(LIMITS, name)[side]
    assert strange(LIMITS, like(**{name: limit})) is None
    reason = judge(CARD, SURE, 0.5, like(**{name: limit + (0.01 if side else -0.01)})).reason
    assert reason == f"The picture {BEYOND[name][side]} than every image of training."


def test_a_picture_in_colour_is_refused_where_training_was_grey_and_answered_where_it_was_not():
    colourful = like(colour=40.0)
    verdict = judge(CARD, SURE, 0.5, colourful)
    assert (verdict.decision, verdict.reason) == (
        "refused",
        "The picture is more colourful than every image of training.",
    )
    open_minded = CARD.model_copy(update={"limits": LIMITS.model_copy(update={"colour": (0.0, 120.0)})})
    assert judge(open_minded, SURE, 0.5, colourful).decision == "positive"


def test_a_statistic_that_is_no_number_and_a_distance_that_is_none_are_refused():
    assert judge(CARD, SURE, 0.5, like(mean=float("nan"))).decision == "refused"
    assert judge(CARD, SURE, float("nan"), USUAL).decision == "refused"


def test_a_card_from_before_the_limits_refuses_by_distance_alone():
    card = card_of(BINARY)
    assert card.limits is None
    assert judge(card, SURE, 0.5, like(colour=200.0)).decision == "positive"
    assert judge(card, SURE, 20.0, USUAL).decision == "refused"


def test_with_more_than_two_classes_the_most_probable_label_is_the_decision():
    many = card_of(LabelParams(names=("a", "b", "c"), positive=None), limits=LIMITS)
    assert judge(many, np.array([0.2, 0.5, 0.3]), 0.5, USUAL).decision == "b"
    assert judge(many, np.array([0.2, 0.5, 0.3]), 0.5, like(std=0.0)).decision == "refused"


def test_inside_the_band_the_answer_is_left_to_a_person_without_a_reason():
    reference = Familiarity(shares=(0.0, 1.0), distances=(0.0, 1.0), refuse=0.005)
    verdict = judge(CARD.model_copy(update={"familiarity": reference}), np.array([0.5, 0.5]), 0.5, USUAL)
    assert (verdict.decision, verdict.reason) == ("refer", None)
