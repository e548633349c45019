"""From a probability to a decision: positive, negative, refer, refused, or the label where there are many."""

from bisect import bisect_left

import numpy as np

from pipelines.card import Card, Familiarity


def decide(card: Card, probabilities: np.ndarray, familiarity: float) -> str:
    """The decision on one image.

    Args:
        probabilities: (classes,), in the order of the card's labels.
        familiarity: of the image, in [0, 1].
    Returns:
        `refused` for an image unlike those of training; else, with two classes, `refer` inside the refer band,
        `positive` from the threshold on, `negative` below it; with more classes the most probable label.
    """
    if familiarity <= card.familiarity.refuse:
        return "refused"
    if card.threshold is None:
        return card.labels.names[int(np.argmax(probabilities))]
    probability = float(probabilities[card.labels.positive_index])
    if card.refer is not None and card.refer[0] < probability < card.refer[1]:
        return "refer"
    return "positive" if probability >= card.threshold else "negative"


def familiarity(distance: float, reference: Familiarity) -> float:
    """Share of validation images that lay at least as far from the training images, in [0, 1].

    Args:
        distance: of the image, as the model file gives it.
    """
    if distance <= reference.distances[0]:
        return 1.0
    if not distance <= reference.distances[-1]:
        return 0.0
    upper = bisect_left(reference.distances, distance)
    span = reference.distances[upper] - reference.distances[upper - 1]
    part = (distance - reference.distances[upper - 1]) / span if span > 0 else 1.0
    step = reference.shares[upper] - reference.shares[upper - 1]
    return 1.0 - (reference.shares[upper - 1] + part * step)
