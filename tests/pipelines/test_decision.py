import numpy as np
import pytest

from pipelines.card import Familiarity
from pipelines.decision import decide, familiarity
from pipelines.recipe import LabelParams

REFERENCE = Familiarity(shares=(0.0, 0.5, 1.0), distances=(1.0, 2.0, 6.0), refuse=0.01)


@pytest.fixture
def decision(release_model, tmp_path):
    """The decision of a card on a probability: `decision(0.7, known=0.5, refer=None)`."""

    def call(probability, known=0.5, **changes):
        card = release_model(tmp_path, **{"familiarity": REFERENCE, **changes})
        return decide(card, np.array([1 - probability, probability], dtype=np.float32), known)

    return call


@pytest.mark.parametrize(
    ("probability", "expected"),
    [(0.1, "negative"), (0.4, "negative"), (0.41, "refer"), (0.5, "refer"), (0.59, "refer"), (0.61, "positive")],
)
def test_the_refer_band_is_open_at_both_ends(decision, probability, expected):
    assert decision(probability, refer=(float(np.float32(0.4)), 0.6)) == expected


@pytest.mark.parametrize(("probability", "expected"), [(0.49, "negative"), (0.5, "positive"), (0.9, "positive")])
def test_without_a_refer_band_the_threshold_decides_and_counts_as_positive(decision, probability, expected):
    assert decision(probability, refer=None) == expected


@pytest.mark.parametrize(("known", "expected"), [(0.0, "refused"), (0.01, "refused"), (0.011, "positive")])
def test_an_unfamiliar_image_is_refused_whatever_its_probability(decision, known, expected):
    assert decision(0.99, known) == expected


def test_the_positive_class_may_come_first(decision):
    labels = LabelParams(names=("SICK", "HEALTHY"), positive="SICK")
    assert decision(0.1, labels=labels, refer=None) == "positive"


def test_with_many_classes_the_most_probable_label_is_the_decision(release_model, tmp_path):
    labels = LabelParams(names=("a", "b", "c"), positive=None)
    card = release_model(tmp_path, labels=labels, threshold=None, refer=None)
    assert decide(card, np.array([0.2, 0.5, 0.3]), 0.9) == "b"
    assert decide(card, np.array([0.2, 0.5, 0.3]), 0.0) == "refused"


@pytest.mark.parametrize(
    ("distance", "share"), [(0.0, 1.0), (1.0, 1.0), (1.5, 0.75), (2.0, 0.5), (4.0, 0.25), (6.0, 0.0), (99.0, 0.0)]
)
def test_familiarity_is_the_share_of_validation_images_that_lay_as_far(distance, share):
    assert familiarity(distance, REFERENCE) == pytest.approx(share)


def test_familiarity_never_rises_with_distance():
    shares = [familiarity(distance, REFERENCE) for distance in np.linspace(0, 8, 200)]
    assert (np.diff(shares) <= 0).all()


def test_a_distance_that_is_no_number_is_as_unfamiliar_as_can_be():
    assert familiarity(float("nan"), REFERENCE) == 0.0


def test_equal_distances_do_not_divide_by_nothing():
    reference = Familiarity(shares=(0.0, 0.5, 1.0), distances=(1.0, 3.0, 3.0), refuse=0.01)
    assert 0.0 <= familiarity(3.0, reference) <= 0.5
