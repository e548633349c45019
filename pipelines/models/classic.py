"""Small convolutional networks, trained from nothing."""

import keras
from keras import layers

from pipelines.models.head import classify
from pipelines.recipe import ImageParams, LabelParams, ModelParams

# Keras' own 0.99 needs thousands of steps; a small set has a few hundred, and is judged with stale statistics.
BATCH_NORM_MOMENTUM = 0.9


def small_cnn(model: ModelParams, image: ImageParams, labels: LabelParams) -> keras.Model:
    """Blocks of a 3x3 convolution with batch normalisation and pooling, then average pooling and a dense layer.

    The last block is not pooled, so that its feature map, and with it the heatmap, keeps its detail.
    """
    start = layers.Input((image.height, image.width, image.channels), dtype="float32", name="image")
    flow = layers.Rescaling(1 / 127.5, offset=-1.0)(start)
    *earlier, last = model.filters
    for filters in earlier:
        flow = layers.MaxPooling2D()(_convolve(flow, filters))
    features = layers.Activation("linear", name="features")(_convolve(flow, last))
    return keras.Model(start, classify(features, model, labels), name="small_cnn")


def custom_cnn(model: ModelParams, image: ImageParams, labels: LabelParams) -> keras.Model:
    """Convolutions, each pooled, then flattening and a dense layer: the usual first network for a folder of images.

    With filters 32 and 64, dense 128 and no dropout: conv 32, pool, conv 64, pool, dense 128, probability.
    """
    start = layers.Input((image.height, image.width, image.channels), dtype="float32", name="image")
    flow = layers.Rescaling(1 / 255)(start)
    for filters in model.filters:
        flow = layers.MaxPooling2D()(layers.Conv2D(filters, 3, activation="relu")(flow))
    features = layers.Activation("linear", name="features")(flow)
    return keras.Model(start, classify(features, model, labels, layers.Flatten()), name="custom_cnn")


def _convolve(flow: keras.KerasTensor, filters: int) -> keras.KerasTensor:
    flow = layers.Conv2D(filters, 3, padding="same", use_bias=False)(flow)
    return layers.Activation("relu")(layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM)(flow))
