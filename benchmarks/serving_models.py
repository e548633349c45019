"""The models that `benchmarks.serving` serves: `python -m benchmarks.serving_models densenet121 <folder>`.

Writes `float32` with model.onnx, model.keras and card.json, `int8` with the same model quantised, and `converted` with
the file as Keras' converter writes it.
"""

import shutil
import sys
from pathlib import Path

import numpy as np

from benchmarks import as_trained
from pipelines.card import Card, Familiarity, sha256
from pipelines.export.keras_export import convert, export
from pipelines.export.quantised import quantise


def main(name, folder):
    """Write both."""
    model, recipe = as_trained.network(name, np.random.default_rng(0))
    whole = as_trained.served(model, recipe.labels.positive_index)
    exact, rounded, converted = (Path(folder, kind) for kind in ("float32", "int8", "converted"))
    exact.mkdir(parents=True)
    model.save(exact / "model.keras")
    export(whole, exact / "model.onnx")
    shutil.copytree(exact, rounded)
    films = np.random.default_rng(0).integers(0, 256, (16, *model.input.shape[1:]), dtype=np.uint8)
    quantise(rounded / "model.onnx", films, np.random.default_rng(0))
    converted.mkdir()
    convert(whole, converted / "model.onnx")
    for each in (exact, rounded, converted):
        write_card(each, recipe)


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
