"""The page of failures: one HTML file to look at what a model gets wrong, and at labels that may be wrong."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from pipelines.card import Card
from pipelines.evaluation.failures import MOST, Failure
from pipelines.notice import NOTICE
from pipelines.overlay import as_rgb, overlay
from pipelines.page import jpeg, rendered

TEMPLATE = "evaluation/failures.html.j2"
READS = (f"pipelines/{TEMPLATE}",)
FILM, SMALL, GAP = 200, 96, 3
TOLD = ("patient_id", "site", "view", "sex", "age", "width", "height")
SHOWN = 60


def render_failures(
    card: Card,
    found: Mapping[str, Sequence[Failure]],
    counts: Mapping[str, int],
    suspect: pd.DataFrame,
    unknown: Mapping[str, str],
    pixels: Mapping[str, np.ndarray],
) -> str:
    """The page as HTML.

    Args:
        found: the failures that are shown, by split.
        counts: how many images of a split were called wrongly in all.
        suspect: labels that may be wrong, as `failures.suspects` gives them.
        unknown: by split why there are none.
        pixels: the images of each split that was searched for such labels, in the order of its table.
    """
    facts = {
        "card": card,
        "splits": {split: [_shown(one, card) for one in members] for split, members in found.items()},
        "counts": counts,
        "most": MOST,
        "neighbours": any(one.neighbours for members in found.values() for one in members),
        "suspects": [_suspected(one, pixels) for one in suspect.head(SHOWN).to_dict("records")],
        "suspect_count": len(suspect),
        "unknown": unknown,
        "notice": NOTICE,
    }
    return rendered(TEMPLATE, facts)


def _shown(failure: Failure, card: Card) -> dict[str, Any]:
    """What the template says of a failure."""
    row = failure.row
    given = str(row["label"])
    return {
        "image_id": row["image_id"],
        "path": row["path"],
        "label": given,
        "called": failure.called,
        "loss": failure.loss,
        "probability": float(row[f"probability_{given}"]),
        "decision": row["decision"],
        "familiarity": float(row["familiarity"]),
        "known": _known(row),
        "picture": _beside(failure.pixels, failure.heat, card.heat_scale),
        "neighbours": [
            {
                "picture": jpeg(_film(one.pixels, SMALL), quality=85),
                "label": one.label,
                "distance": one.distance,
                "image_id": one.image_id,
                "other": one.label != given,
            }
            for one in failure.neighbours
        ],
        "others": sum(one.label != given for one in failure.neighbours),
    }


def _suspected(one: dict[Hashable, Any], pixels: Mapping[str, np.ndarray]) -> dict[Hashable, Any]:
    """What the template says of a label that may be wrong."""
    return one | {"picture": jpeg(_film(pixels[one["split"]][one["row"]], SMALL), quality=85)}


def _known(row: pd.Series) -> str:
    """What is on record of the film, in one line."""
    said = {name.removesuffix("_id"): row.get(name) for name in TOLD}
    if said.get("patient") == row["image_id"]:  # nobody is known, and the image stands for a patient of its own
        said.pop("patient")
    size = f"{said.pop('width')} x {said.pop('height')} px" if pd.notna(said.get("width")) else None
    words = [
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in said.items()
        if pd.notna(value)
    ]
    return ", ".join([*words, *([size] if size else [])])


def _beside(pixels: np.ndarray, heat: np.ndarray, scale: float) -> str:
    """Film and heatmap side by side, as an address that holds the picture."""
    film = np.asarray(_film(pixels, FILM))
    gap = np.full((film.shape[0], GAP, 3), 255, dtype=np.uint8)
    return jpeg(Image.fromarray(np.hstack([film, gap, overlay(film, heat, scale)])), quality=85)


def _film(pixels: np.ndarray, width: int) -> Image.Image:
    size = (width, round(width * pixels.shape[0] / pixels.shape[1]))
    return Image.fromarray(as_rgb(pixels)).resize(size, Image.Resampling.BICUBIC)
