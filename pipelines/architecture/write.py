"""Keeping what a network is made of: the table of its layers, and the two pictures."""

import json
from pathlib import Path

import numpy as np

from pipelines.architecture.files import FILTERS, MAPS, TABLE
from pipelines.architecture.formulas import as_json
from pipelines.architecture.pictures import filters_picture, maps_picture
from pipelines.training.learner import Learner


def write_architecture(folder: Path, learner: Learner, image: np.ndarray) -> None:
    """Write `architecture.json`, `filters.png` and `maps.png` into a folder.

    Args:
        image: the film whose feature maps are shown, (height, width, channels) uint8.
    """
    told = {"name": learner.name, "input": list(image.shape), **as_json(learner.layers(image))}
    (folder / TABLE).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    (folder / FILTERS).write_bytes(filters_picture(learner.first_filters()))
    (folder / MAPS).write_bytes(maps_picture(image, learner.feature_maps(image)))
