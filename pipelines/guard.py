"""Whether a picture is of the kind that the model knows, and what is decided on it: the one judge of service and
evaluation.

A picture is refused where one of its statistics lies beyond what any training image had, or where it is less familiar
than the recipe's share of validation images. `pipelines.usual` learns both; `docs/refusals.md` tells how well they do.
"""

from dataclasses import dataclass

import numpy as np

from pipelines.card import Card, Limits
from pipelines.decision import decide, familiarity
from pipelines.statistics import Statistics

UNLIKE = "The picture as a whole is unlike the images of training."
BEYOND = {  # below the lower limit, above the upper one
    "colour": ("is less colourful", "is more colourful"),
    "std": ("has less contrast", "has more contrast"),
    "mean": ("is darker", "is brighter"),
    "dark": ("has less black", "has more black"),
    "bright": ("has less white", "has more white"),
}


@dataclass(frozen=True)
class Verdict:
    """On one picture.

    Args:
        decision: as `pipelines.decision.decide` gives it.
        familiarity: share of validation images that were at least as unusual, in [0, 1].
        reason: why it is refused, in a sentence; None where it is not.
    """

    decision: str
    familiarity: float
    reason: str | None


def judge(card: Card, probabilities: np.ndarray, distance: float, statistics: Statistics) -> Verdict:
    """Judge a picture by what the model says of it and by what it is like.

    Args:
        probabilities: (classes,), in the order of the card's labels.
        distance: of the model file.
        statistics: of the picture, as `pipelines.statistics.measure` gives them.
    """
    known = familiarity(distance, card.familiarity)
    reason = strange(card.limits, statistics)
    if reason is not None:
        return Verdict("refused", known, reason)
    decision = decide(card, probabilities, known)
    return Verdict(decision, known, UNLIKE if decision == "refused" else None)


def strange(limits: Limits | None, statistics: Statistics) -> str | None:
    """How a picture lies beyond all images of training, in a sentence; None where it does not, or no limits are known.

    A statistic that is no number lies beyond.
    """
    if limits is None:
        return None
    for name, (lower, higher) in BEYOND.items():
        low, high = getattr(limits, name)
        value = getattr(statistics, name)
        if not low <= value <= high:
            return f"The picture {lower if value < low else higher} than every image of training."
    return None
