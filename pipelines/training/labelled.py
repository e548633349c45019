"""What a model learns from and is judged by: prepared images and their targets."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipelines.prepared import read_split
from pipelines.recipe import LabelParams


@dataclass(frozen=True)
class Labelled:
    """Images (n, height, width, channels) uint8 and their targets (n,); with two classes, 1 is the positive one."""

    images: np.ndarray
    targets: np.ndarray


def labelled(prepared: Path, split: str, labels: LabelParams) -> Labelled:
    """A prepared split; with two classes, target 1 is the positive one wherever it stands in the recipe."""
    images, rows = read_split(prepared, split)
    targets = rows["target"].to_numpy()
    return Labelled(images, (targets == labels.positive_index).astype(int) if labels.positive else targets)
