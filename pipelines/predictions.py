"""The table of predictions: one row per image with what the model said of it. Every figure is computed from it.

Columns: `split, image_id, path, patient_id, site, view, sex, age, label, target`, `probability_<label>` for each class,
`probability` (of the positive class; two classes only), `distance`, `familiarity` and `decision`.
"""

import numpy as np
import pandas as pd

from pipelines.card import Card
from pipelines.decision import decide, familiarity
from pipelines.errors import ModelError
from pipelines.inference import Answers
from pipelines.recipe import LabelParams

COLUMNS = ["split", "image_id", "path", "patient_id", "site", "view", "sex", "age", "label", "target"]


def tabulate(rows: pd.DataFrame, answers: Answers, card: Card) -> pd.DataFrame:
    """The table of predictions of one split.

    Args:
        rows: of the prepared split, one per image.
        answers: of the model, in the same order.
    Raises:
        ModelError: a probability is not in [0, 1].
    """
    chances = answers.probability.astype(np.float64)
    if bad := int((~((chances >= 0) & (chances <= 1))).any(axis=1).sum()):
        raise ModelError(f"The model gives {bad} of {len(rows)} images a probability outside [0, 1]. Train it again.")
    table = rows[COLUMNS].reset_index(drop=True)
    for index, label in enumerate(card.labels.names):
        table[f"probability_{label}"] = chances[:, index]
    if card.labels.positive is not None:
        table["probability"] = chances[:, card.labels.positive_index]
    table["distance"] = answers.distance.astype(np.float64)
    table["familiarity"] = [familiarity(distance, card.familiarity) for distance in table["distance"]]
    table["decision"] = [decide(card, *pair) for pair in zip(chances, table["familiarity"], strict=True)]
    return table


def probabilities(table: pd.DataFrame, labels: LabelParams) -> np.ndarray:
    """(images, classes), in the order of the labels."""
    return table[[f"probability_{label}" for label in labels.names]].to_numpy(dtype=np.float64)


def called(table: pd.DataFrame, labels: LabelParams, threshold: float | None) -> np.ndarray:
    """Index of the class that each image is called, (n,), referred and refused images included.

    With two classes it is the positive one from the threshold on; with more the most probable one.
    """
    if threshold is None:
        return probabilities(table, labels).argmax(axis=1)
    yes = labels.positive_index
    return np.where(table["probability"] >= threshold, yes, 1 - yes)


def stated(table: pd.DataFrame, labels: LabelParams) -> tuple[np.ndarray, np.ndarray]:
    """What the model promises of each image, (n,) in [0, 1], and whether it came true, (n,) bool.

    With two classes: the probability of the positive class. With more: the probability of the class called.
    """
    target = table["target"].to_numpy()
    if labels.positive is not None:
        return table["probability"].to_numpy(), target == labels.positive_index
    chances = probabilities(table, labels)
    return chances.max(axis=1), chances.argmax(axis=1) == target
