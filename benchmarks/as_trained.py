"""Networks with random weights whose files cost as much as those of trained ones."""

from pathlib import Path

import keras
import numpy as np

from pipelines.export.explain import inference_model
from pipelines.export.familiarity import FeatureStatistics
from pipelines.models import build
from pipelines.recipe_file import load
from pipelines.recipe_models import Transfer

ROOT = Path(__file__).resolve().parent.parent


def network(name, rng):
    """A network of the chest-xray recipe's size, or the demo's own, and its recipe."""
    recipe = load(ROOT / "recipes" / f"{'demo' if name == 'demo' else 'chest-xray'}.yaml")
    chosen = recipe.model if name == "demo" else Transfer(name=name, weights=None, dense=256, dropout=(0.5, 0.3))
    model = build(chosen, recipe.image, recipe.labels)
    draw_normalisation(model, rng)
    return model, recipe


def draw_normalisation(model, rng):
    """Give each batch normalisation numbers such as training leaves.

    With those that it begins with, shift 0 and scale 1, the converter leaves out what they do, and the file is faster
    than that of any trained network.
    """
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            drawn = {weight.name: rng.uniform(0.5, 1.5, weight.shape) for weight in layer.weights}
            layer.set_weights([values - (name in ("beta", "moving_mean")) for name, values in drawn.items()])


def served(model, positive_index=1):
    """The graph that is exported, with statistics of no images."""
    channels = model.get_layer("features").output.shape[-1]
    statistics = FeatureStatistics(np.zeros(channels, "float32"), np.eye(channels, dtype="float32"))
    return inference_model(model, statistics, positive_index)
