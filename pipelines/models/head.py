"""The ends that the models share: the picture, the last feature map, hidden dense layers, and the probability."""

from collections.abc import Sequence

import keras
from keras import layers

from pipelines.errors import ModelError
from pipelines.recipe import ImageParams, LabelParams


def picture(shape: tuple[int, int, int]) -> keras.KerasTensor:
    """Where every model begins: grey levels 0 to 255, (n, height, width, channels) float32."""
    return layers.Input(shape, dtype="float32", name="image")


def feature_map(flow: keras.KerasTensor) -> keras.KerasTensor:
    """Name a map (n, rows, columns, channels) as the last one: heatmap and familiarity rest on it."""
    return layers.Activation("linear", name="features")(flow)


def averaged(features: keras.KerasTensor) -> keras.KerasTensor:
    """The mean of each channel of a map, (n, channels)."""
    return layers.GlobalAveragePooling2D(name="pooled")(features)


def flattened(flow: keras.KerasTensor) -> keras.KerasTensor:
    """All cells of a map in one vector, (n, rows x columns x channels)."""
    return layers.Flatten()(flow)


def dense(
    flow: keras.KerasTensor, units: Sequence[int], dropouts: Sequence[float], start: str = "glorot_uniform"
) -> keras.KerasTensor:
    """Hidden dense layers with ReLU, each with its dropout behind it.

    Args:
        start: how their weights begin.
    """
    for width, dropout in zip(units, dropouts, strict=True):
        flow = layers.Dropout(dropout)(layers.Dense(width, activation="relu", kernel_initializer=start)(flow))
    return flow


def probability(flow: keras.KerasTensor, labels: LabelParams) -> keras.KerasTensor:
    """From a vector to the probability: (n, 1) of the positive class with two classes, else (n, classes)."""
    binary = len(labels.names) == 2
    logit = layers.Dense(1 if binary else len(labels.names), name="logit")(flow)
    return layers.Activation("sigmoid" if binary else "softmax", name="probability", dtype="float32")(logit)


def check_side(name: str, image: ImageParams, least: int) -> None:
    """Refuse images that are too small for a network.

    Raises:
        ModelError: a side is shorter than `least` pixels.
    """
    if min(image.height, image.width) < least:
        raise ModelError(
            f"{name} got images of {image.height} x {image.width} pixels. "
            f"Expected at least {least} on each side: enlarge image.height and image.width."
        )
