"""What the benchmarks of the data stages share: a recipe for class folders, and films that are drawn quickly."""

from pathlib import Path

import numpy as np
from PIL import Image

from pipelines.recipe_file import load

ROOT = Path(__file__).resolve().parent.parent
LABELS = ("NORMAL", "PNEUMONIA")


def sections(side):
    """The chest-xray recipe for class folders that lie at the top of the data set, at another size."""
    recipe = load(ROOT / "recipes" / "chest-xray.yaml")
    source = recipe.source.model_copy(update={"folder": "."})
    image = recipe.image.model_copy(update={"height": side, "width": side, "levels": "stored"})
    return recipe.model_copy(update={"source": source, "external": None, "image": image})


def draw(raw, count, size, kind, first=0):
    """Pictures of the given width and height, all different, grainy as films are, in two class folders."""
    for label in LABELS:
        (raw / label).mkdir(parents=True, exist_ok=True)
    grain = np.random.default_rng(0).normal(0, 12, (size[1], size[0])).astype(np.float32)
    for number in range(first, first + count):
        coarse = np.random.default_rng(number).integers(30, 226, (7, 7), dtype=np.uint8)
        ground = np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC))
        film = np.clip(ground + np.roll(grain, number, axis=0), 0, 255).astype(np.uint8)
        Image.fromarray(film).save(raw / LABELS[number % 2] / f"{number:06d}.{kind.lower()}")
