"""The models that `benchmarks.serving` serves: `python -m benchmarks.serving_models densenet121 <folder>`.

Writes `float32` with model.onnx, model.keras and card.json, and `int8` with the same model quantised.
"""

import shutil
import sys
from pathlib import Path

import numpy as np

from pipelines.card import Card, Familiarity, sha256
from pipelines.export.explain import FeatureStatistics, inference_model
from pipelines.export.keras_export import export
from pipelines.export.quantised import quantise
from pipelines.models import build
from pipelines.recipe_file import load
from pipelines.recipe_models import Transfer

ROOT = Path(__file__).resolve().parent.parent


def main(name, folder):
    """Write both."""
    recipe = load(ROOT / "recipes" / f"{'demo' if name == 'demo' else 'chest-xray'}.yaml")
    network = recipe.model if name == "demo" else Transfer(name=name, weights=None, dense=256, dropout=(0.5, 0.3))
    model = build(network, recipe.image, recipe.labels)
    channels = model.get_layer("features").output.shape[-1]
    statistics = FeatureStatistics(np.zeros(channels, "float32"), np.eye(channels, dtype="float32"))
    whole = inference_model(model, statistics, recipe.labels.positive_index)
    folder = Path(folder, "float32")
    folder.mkdir(parents=True)
    model.save(folder / "model.keras")
    export(whole, folder / "model.onnx")
    write_card(folder, recipe)
    rounded = folder.with_name("int8")
    shutil.copytree(folder, rounded)
    films = np.random.default_rng(0).integers(0, 256, (16, *model.input.shape[1:]), dtype=np.uint8)
    quantise(rounded / "model.onnx", films, np.random.default_rng(0))
    write_card(rounded, recipe)


def write_card(folder, recipe):
    """A card that refuses nothing."""
    digest = sha256(folder / "model.onnx")
    Card(
        recipe=recipe.title.split()[0].lower(),
        title=recipe.title,
        version=digest[:12],
        sha256=digest,
        labels=recipe.labels,
        image=recipe.image,
        threshold=0.5,
        refer=None,
        familiarity=Familiarity(shares=(0.0, 1.0), distances=(0.0, 1e12), refuse=0.0),
        heat_scale=1.0,
        facts={},
    ).write(folder / "card.json")


if __name__ == "__main__":
    main(*sys.argv[1:])
