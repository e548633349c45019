"""What the heatmap costs: the exported graph with and without it, and Grad-CAM by automatic differentiation.

    python -m benchmarks.heatmap [--recipe demo] [--rounds 200]

All sides run in turn on the same film, one film a call, so that a machine whose speed drifts drifts for all of them.
Weights are random: time does not depend on them.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from benchmarks import as_trained
from pipelines.export.keras_export import export
from pipelines.models import build
from pipelines.recipe_file import load

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Measure, and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="demo")
    parser.add_argument("--rounds", type=int, default=200)
    chosen = parser.parse_args()
    recipe = load(ROOT / "recipes" / f"{chosen.recipe}.yaml")
    model = build(recipe.model, recipe.image, recipe.labels)
    as_trained.draw_normalisation(model, np.random.default_rng(0))
    film = np.random.default_rng(0).integers(0, 256, (1, *model.input.shape[1:]), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        medians = in_turn(sides(model, film, Path(folder)), chosen.rounds)
    base = medians["probability alone"]
    for name, milliseconds in medians.items():
        print(f"{name:<36}{milliseconds:9.2f} ms   {milliseconds / base:7.2f} times the probability alone")


def sides(model: keras.Model, film: np.ndarray, folder: Path) -> dict[str, Callable[[], object]]:
    """What is compared, each as a call without arguments."""
    whole = as_trained.served(model)
    alone = keras.Model(whole.input, {"probability": whole.output["probability"]})
    with_heatmap, without = opened(whole, folder / "whole.onnx"), opened(alone, folder / "alone.onnx")
    taps = keras.Model(model.input, [model.get_layer("features").output, model.get_layer("logit").output])
    pixels = film.astype("float32")
    return {
        "probability alone": lambda: without.run(None, {"image": film}),
        "probability, heatmap and distance": lambda: with_heatmap.run(None, {"image": film}),
        "keras predict, probability alone": lambda: model.predict(pixels, verbose=0),
        "keras, Grad-CAM with a gradient tape": lambda: taped(taps, pixels),
    }


def opened(model: keras.Model, path: Path) -> Any:
    """An ONNX Runtime session of an exported model."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    export(model, path)
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def taped(taps: keras.Model, pixels: np.ndarray) -> np.ndarray:
    """Grad-CAM as it is usually written."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        features, logits = taps(pixels)
    weights = tf.reduce_mean(tape.gradient(logits, features), axis=(1, 2), keepdims=True)
    return tf.nn.relu(tf.reduce_sum(features * weights, axis=-1)).numpy()


def in_turn(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median milliseconds of each call, all of them called once a round, in an order that changes."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    order, rng = list(calls.items()), np.random.default_rng(0)
    for _ in range(rounds):
        rng.shuffle(order)
        for name, call in order:
            started = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - started)
    return {name: 1000 * float(np.median(found[len(found) // 10 :])) for name, found in seconds.items()}


if __name__ == "__main__":
    main()
