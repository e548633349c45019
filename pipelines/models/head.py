"""The end that every model has in common: pooling, dense layers, and the probability."""

import keras
from keras import layers

from pipelines.recipe import LabelParams, ModelParams


def classify(
    features: keras.KerasTensor, model: ModelParams, labels: LabelParams, pool: layers.Layer | None = None
) -> keras.KerasTensor:
    """From the last feature map (n, rows, columns, channels) to the probability.

    Args:
        pool: how the map becomes a vector; by default each channel is averaged.
    """
    flow = (pool or layers.GlobalAveragePooling2D(name="pooled"))(features)
    flow = layers.Dropout(model.dropout)(flow)
    flow = layers.Dense(model.dense, activation="relu")(flow)
    flow = layers.Dropout(model.dropout)(flow)
    binary = len(labels.names) == 2
    logit = layers.Dense(1 if binary else len(labels.names), name="logit")(flow)
    return layers.Activation("sigmoid" if binary else "softmax", name="probability", dtype="float32")(logit)
