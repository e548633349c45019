"""Small convolutional networks, trained from nothing."""

import keras
from keras import layers

from pipelines.models.head import averaged, check_side, dense, feature_map, flattened, picture, probability
from pipelines.recipe import ImageParams, LabelParams
from pipelines.recipe_models import CifarCnn, CustomCnn, MnistCnn, SmallCnn

# Keras' own 0.99 needs thousands of steps; a small set has a few hundred, and is judged with stale statistics.
BATCH_NORM_MOMENTUM = 0.9


def small_cnn(model: SmallCnn, image: ImageParams, labels: LabelParams) -> keras.Model:
    """Blocks of a 3x3 convolution with batch normalisation and pooling, then average pooling and a dense layer.

    The last block is not pooled, so that its feature map, and with it the heatmap, keeps its detail.
    """
    *earlier, last = model.filters
    check_side(model.name, image, 2 ** len(earlier))
    start = picture((image.height, image.width, image.channels))
    flow = layers.Rescaling(1 / 127.5, offset=-1.0)(start)
    for filters in earlier:
        flow = layers.MaxPooling2D()(_convolve(flow, filters))
    vector = averaged(feature_map(_convolve(flow, last)))
    vector = dense(layers.Dropout(model.dropout)(vector), [model.dense], [model.dropout])
    return keras.Model(start, probability(vector, labels), name="small_cnn")


def mnist_cnn(model: MnistCnn, image: ImageParams, labels: LabelParams) -> keras.Model:
    """Convolutions, each normalised and pooled, then a dense layer and dropout: the usual network for digits.

    With filters 32 and 64 and dense 128: conv 32 3x3, normalise, pool, conv 64 3x3, normalise, pool, dense 128,
    dropout, probability. The heatmap rests on what the last convolution's ReLU gives, before its normalisation.
    """
    check_side(model.name, image, _least_side(len(model.filters)))
    start = picture((image.height, image.width, image.channels))
    flow = layers.Rescaling(1 / 255)(start)
    *earlier, last = model.filters
    for filters in earlier:
        flow = layers.MaxPooling2D()(normalise(layers.Conv2D(filters, 3, activation="relu")(flow)))
    flow = feature_map(layers.Conv2D(last, 3, activation="relu")(flow))
    flow = layers.MaxPooling2D()(normalise(flow))
    flow = dense(flattened(flow), [model.dense], [model.dropout])
    return keras.Model(start, probability(flow, labels), name="mnist_cnn")


def cifar_cnn(model: CifarCnn, image: ImageParams, labels: LabelParams) -> keras.Model:
    """Blocks of two normalised 3x3 convolutions, pooling and dropout, then a normalised dense layer.

    With filters 32 and 64 and dense 512: (conv 32, normalise) twice, pool, dropout, (conv 64, normalise) twice, pool,
    dropout, dense 512, normalise, dropout, probability; convolutions keep the size of the map. The heatmap rests on
    what the last convolution's ReLU gives, before its normalisation.
    """
    check_side(model.name, image, 2 ** len(model.filters))
    start = picture((image.height, image.width, image.channels))
    flow = layers.Rescaling(1 / 255)(start)
    for place, filters in enumerate(model.filters, start=1):
        flow = normalise(layers.Conv2D(filters, 3, padding="same", activation="relu")(flow))
        flow = layers.Conv2D(filters, 3, padding="same", activation="relu")(flow)
        flow = normalise(feature_map(flow) if place == len(model.filters) else flow)
        flow = layers.Dropout(model.dropout)(layers.MaxPooling2D()(flow))
    flow = normalise(layers.Dense(model.dense, activation="relu")(flattened(flow)))
    return keras.Model(start, probability(layers.Dropout(model.dense_dropout)(flow), labels), name="cifar_cnn")


def custom_cnn(model: CustomCnn, image: ImageParams, labels: LabelParams) -> keras.Model:
    """Convolutions, each pooled, then flattening and a dense layer: the usual first network for a folder of images.

    With filters 32 and 64, dense 128 and no dropout: conv 32, pool, conv 64, pool, dense 128, probability.
    """
    check_side(model.name, image, _least_side(len(model.filters)))
    start = picture((image.height, image.width, image.channels))
    flow = layers.Rescaling(1 / 255)(start)
    *earlier, last = model.filters
    for filters in earlier:
        flow = layers.MaxPooling2D()(layers.Conv2D(filters, 3, activation="relu")(flow))
    flow = layers.MaxPooling2D()(feature_map(layers.Conv2D(last, 3, activation="relu")(flow)))
    flow = dense(layers.Dropout(model.dropout)(flattened(flow)), [model.dense], [model.dropout])
    return keras.Model(start, probability(flow, labels), name="custom_cnn")


def normalise(flow: keras.KerasTensor) -> keras.KerasTensor:
    """Batch normalisation (Ioffe and Szegedy 2015, arXiv:1502.03167) that soon knows the set's statistics."""
    return layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM)(flow)


def _convolve(flow: keras.KerasTensor, filters: int) -> keras.KerasTensor:
    flow = layers.Conv2D(filters, 3, padding="same", use_bias=False)(flow)
    return layers.Activation("relu")(normalise(flow))


def _least_side(blocks: int) -> int:
    """Pixels that leave one cell behind so many unpadded 3x3 convolutions with 2x2 pooling."""
    side = 1
    for _ in range(blocks):
        side = 2 * side + 2
    return side
