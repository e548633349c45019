"""Failure analysis: the films that a model is most wrong about, the training films nearest to them, doubtful labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.neighbors import NearestNeighbors

from pipelines.card import Card
from pipelines.evaluation.predictions import called, probabilities
from pipelines.recipe import LabelParams

MOST, NEAREST, FEWEST = 24, 3, 5
TINY = 1e-7  # float32 knows no smaller probability beside 1


@dataclass(frozen=True)
class Neighbour:
    """A training image near a failure: its pixels (h, w, channels), name, label, and cosine distance in [0, 2]."""

    pixels: np.ndarray
    image_id: str
    label: str
    distance: float


@dataclass(frozen=True)
class Failure:
    """A film that was called wrongly: its row of the table of predictions, loss, pixels, heat and neighbours."""

    row: pd.Series
    called: str
    loss: float
    pixels: np.ndarray
    heat: np.ndarray
    neighbours: Sequence[Neighbour]


@dataclass(frozen=True)
class Training:
    """The training images: pixels (n, h, w, channels), rows in the same order, features (n, channels) of any length."""

    pixels: np.ndarray
    rows: pd.DataFrame
    features: np.ndarray


def called_wrongly(table: pd.DataFrame, card: Card) -> list[int]:
    """Rows of the table of predictions whose images were called wrongly, the largest loss first."""
    wrong = called(table, card.labels, card.threshold) != table["target"].to_numpy()
    order = np.argsort(-losses(table, card.labels), kind="stable")
    return [int(row) for row in order if wrong[row]]


def failures(
    table: pd.DataFrame,
    images: np.ndarray,
    heat: np.ndarray,
    near: Sequence[Sequence[Neighbour]] | None,
    card: Card,
) -> list[Failure]:
    """Images that were called wrongly, with all that is shown of them, in the order of the table.

    Args:
        table: their rows of the table of predictions; `images`, `heat` and `near` are in its order.
        near: the training images nearest to each; None where they are not known.
    """
    guess, loss = called(table, card.labels, card.threshold), losses(table, card.labels)
    return [
        Failure(
            table.iloc[place],
            card.labels.names[guess[place]],
            float(loss[place]),
            images[place],
            heat[place],
            near[place] if near else (),
        )
        for place in range(len(table))
    ]


def losses(table: pd.DataFrame, labels: LabelParams) -> np.ndarray:
    """Cross-entropy of each image, (n,): the negative logarithm of the probability that its label was given."""
    given = np.take_along_axis(probabilities(table, labels), table["target"].to_numpy()[:, None], axis=1)[:, 0]
    return -np.log(np.clip(given, TINY, 1.0))


def nearest(features: np.ndarray, training: Training) -> list[list[Neighbour]]:
    """The NEAREST training images of each image, by the cosine distance of their features.

    The direction of the features says what a film shows; their length grows with its contrast.
    """
    count = min(NEAREST, len(training.features))
    search = NearestNeighbors(n_neighbors=count, metric="cosine").fit(training.features.astype(np.float32))
    distances, places = search.kneighbors(features.astype(np.float32))
    return [
        [
            Neighbour(
                np.asarray(training.pixels[place]),
                str(training.rows["image_id"].iloc[place]),
                str(training.rows["label"].iloc[place]),
                float(distance),
            )
            for place, distance in zip(*pair, strict=True)
        ]
        for pair in zip(places, distances, strict=True)
    ]


def suspects(tables: Mapping[str, pd.DataFrame], labels: LabelParams) -> tuple[pd.DataFrame, dict[str, str]]:
    """Labels that may be wrong, by confident learning (Northcutt et al. 2021, 10.1613/jair.1.12125) with cleanlab.

    Each split is judged by itself, as the model's confidence differs between hospitals.

    Args:
        tables: of predictions, by split, none of whose images trained the model.
    Returns:
        Columns `split, row` (of the split's table)`, image_id, path, label, suggested, probability` (of the given
        label), the most suspect of each split first; and by split why nothing could be said.
    """
    found, unknown = [], {}
    for split, table in tables.items():
        if table["target"].nunique() < len(labels.names) or table["target"].value_counts().min() < FEWEST:
            unknown[split] = f"a class has fewer than {FEWEST} images"
        else:
            found.append(_suspects_of(table, labels).assign(split=split))
    columns = ["split", "row", "image_id", "path", "label", "suggested", "probability"]
    return pd.concat(found, ignore_index=True)[columns] if found else pd.DataFrame(columns=columns), unknown


def _suspects_of(table: pd.DataFrame, labels: LabelParams) -> pd.DataFrame:
    from cleanlab.filter import find_label_issues  # takes a second to import

    chances, given = probabilities(table, labels), table["target"].to_numpy()
    ranked: Any = find_label_issues(given, chances, return_indices_ranked_by="self_confidence", n_jobs=1)
    rows = table.iloc[ranked]
    suggested = np.array(labels.names)[chances[ranked].argmax(axis=1)]
    told = {"row": ranked, "suggested": suggested, "probability": chances[ranked, given[ranked]]}
    return rows[["image_id", "path", "label"]].assign(**told)
