"""The model in production, as `python -m flows.production` keeps it, and its answers to the images of today.

`<production>/<recipe>/` holds `model.onnx`, `card.json`, `release.json` and `images.parquet`, the images that it was
trained on and measured with.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipelines.errors import ReleaseError
from pipelines.evaluation.predictions import CHAMPION
from pipelines.evaluation.record import Champion, digest_of
from pipelines.images import enough, prepare
from pipelines.inference import Classifier
from pipelines.pictures import Place, open_picture
from pipelines.recipe import ImageParams, LabelParams

FILES = ("model.onnx", "card.json", "release.json", "images.parquet")
LEARNT_FROM = ("train", "val")
BLOCK = 64


@dataclass(frozen=True)
class Production:
    """The model in production, its release.json, and its images (columns split, image_id, label, sha256)."""

    classifier: Classifier
    note: dict[str, Any]
    images: pd.DataFrame


def read_champion(production: Path, recipe: str, labels: LabelParams) -> Production | None:
    """The model in production of a recipe; None where none was named.

    Raises:
        ReleaseError: one was named, but a file of it is missing or damaged, or it knows other classes.
    """
    folder = production / recipe
    if not (production / f"{recipe}.json").is_file():
        return None
    if missing := [name for name in FILES if not (folder / name).is_file()]:
        raise ReleaseError(
            f"{production / recipe}.json names a model in production, but {folder} lacks {', '.join(missing)}. Fetch "
            f"it (dvc pull {folder}), name it again (python -m flows.production --recipe {recipe}), or delete the file."
        )
    classifier = Classifier(folder)
    if classifier.card.labels != labels:
        raise ReleaseError(
            f"The model in production tells {', '.join(classifier.card.labels.names)} apart, the recipe has "
            f"{', '.join(labels.names)}: they cannot be compared. Delete {production / recipe}.json if the task is new."
        )
    note = json.loads((folder / "release.json").read_text(encoding="utf-8"))
    return Production(classifier, note, pd.read_parquet(folder / "images.parquet"))


def answers_of(
    champion: Production, images: np.ndarray, image: ImageParams, raw: Path, rows: pd.DataFrame
) -> pd.DataFrame:
    """Columns `champion_probability_<label>`, one row per image.

    Args:
        images: (n, height, width, channels) uint8, as the challenger takes them.
        image: their form; where the champion takes another one, each film is prepared anew from its file.
        raw: the raw data set.
        rows: of the manifest, in the order of the images.
    """
    card = champion.classifier.card
    if card.image == image:
        chances = champion.classifier.answer_all(images).probability
    else:
        blocks = _prepared_anew(raw, rows, card.image)
        chances = np.concatenate([champion.classifier.answer_all(block).probability for block in blocks])
    names = [f"{CHAMPION}probability_{label}" for label in card.labels.names]
    return pd.DataFrame(chances.astype(np.float64), columns=names)


def terms_of(champion: Production | None, table: pd.DataFrame) -> Champion | None:
    """What the comparison needs to know of the champion.

    Args:
        table: of predictions, all splits, with the column sha256.
    """
    if champion is None:
        return None
    images = champion.images
    learnt = set(images.loc[images["split"].isin(LEARNT_FROM), "sha256"])
    released_on = {str(split): digest_of(part) for split, part in images.groupby("split")}
    return Champion(
        version=champion.classifier.card.version,
        threshold=champion.classifier.card.threshold,
        images={split: digest for split, digest in released_on.items() if digest and split not in LEARNT_FROM},
        trained_on={str(split): int(part["sha256"].isin(learnt).sum()) for split, part in table.groupby("split")},
        rules={"gates": champion.note.get("gates", []), **champion.note.get("rules", {})},
    )


def _prepared_anew(raw: Path, rows: pd.DataFrame, image: ImageParams) -> Iterator[np.ndarray]:
    places = [Place(*place) for place in zip(rows["path"], rows["form"], rows["index"], strict=True)]
    for start in range(0, len(places), BLOCK):
        block = places[start : start + BLOCK]
        yield np.stack([prepare(open_picture(raw, place, enough(image)).picture, image) for place in block])
