"""What the model says of a split: the table of predictions, and what is shown of its images."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipelines.card import Card
from pipelines.errors import DataError
from pipelines.evaluation.champion import Production, answers_of
from pipelines.evaluation.gallery import Tile, gallery
from pipelines.evaluation.heat import measure_heat
from pipelines.evaluation.masks import read_masks
from pipelines.evaluation.predictions import tabulate
from pipelines.inference import Classifier
from pipelines.prepared import read_split
from pipelines.recipe import MeasureParams


@dataclass(frozen=True)
class Films:
    """Where the images lie: raw and prepared, and what is known of each, by split."""

    raw: Path
    prepared: Path
    rows: Mapping[str, pd.DataFrame]
    measure: MeasureParams


@dataclass(frozen=True)
class Answered:
    """A split with its answers: pixels (n, height, width, channels), predictions, heat (n, rows, columns), tiles."""

    images: np.ndarray
    table: pd.DataFrame
    heat: np.ndarray
    tiles: dict[str, list[Tile]]


def answered(split: str, films: Films, classifier: Classifier, champion: Production | None) -> Answered:
    """Ask the model, and the one in production, about every image of a split.

    Raises:
        DataError: the split is empty or not of the form that the model takes, or its masks do not fit.
    """
    images, _ = read_split(films.prepared, split)
    rows, card = films.rows[split], classifier.card
    _check_images(images, card, films.prepared / f"{split}.npy")
    answers = classifier.answer_all(images)
    parts = [tabulate(rows, answers, card), rows[["sha256", "width", "height"]]]
    if films.measure.masks or films.measure.body:
        paths = list(rows["path"])
        masks = read_masks(films.raw, paths, films.measure.masks, card.image) if films.measure.masks else None
        parts.append(measure_heat(answers.heatmap, masks, images, films.measure.body))
    if champion is not None:
        parts.append(answers_of(champion, images, card.image, films.raw, rows))
    table = pd.concat(parts, axis=1)
    return Answered(images, table, answers.heatmap, gallery(table, images, answers.heatmap, card))


def _check_images(images: np.ndarray, card: Card, file: Path) -> None:
    if not len(images):
        raise DataError(f"{file} holds no image. Put images into this split and run the preprocess stage again.")
    expected = (card.image.height, card.image.width, card.image.channels)
    if images.shape[1:] != expected:
        raise DataError(
            f"{file} holds images of {_form(images.shape[1:])}, the model takes {_form(expected)}. Train again."
        )


def _form(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
