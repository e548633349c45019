"""A residual network for small and middling grey films, trained from nothing.

Blocks as in He et al. 2016, "Identity mappings in deep residual networks", arXiv:1603.05027: normalisation and ReLU
stand before each convolution, so that the way from the first map to the last is free.
"""

import keras
from keras import layers

from pipelines.models.classic import normalise
from pipelines.models.head import averaged, dense, feature_map, picture, probability
from pipelines.recipe import ImageParams, LabelParams
from pipelines.recipe_models import ResidualCnn

LARGE = 112  # pixels a side from which the stem halves the image
SMALLEST_MAP = 7  # cells a side below which no level halves the map


def residual_cnn(model: ResidualCnn, image: ImageParams, labels: LabelParams) -> keras.Model:
    """Levels of residual blocks, one level a number in `filters`, then average pooling and a dense layer.

    Each level but the first halves the map, as long as 7 x 7 cells remain. From 112 pixels on the stem halves the
    image once, from 224 on twice, each time with a 3x3 convolution, so that the levels begin at 28 to 111 cells a side
    (more above 447 pixels).
    """
    start = picture((image.height, image.width, image.channels))
    flow = _stem(layers.Rescaling(1 / 127.5, offset=-1.0)(start), model.filters[0])
    for level, filters in enumerate(model.filters):
        for block in range(model.blocks):
            halve = level > 0 and block == 0 and (min(flow.shape[1:3]) + 1) // 2 >= SMALLEST_MAP
            flow = _block(flow, filters, strides=2 if halve else 1)
    vector = averaged(feature_map(_activate(flow)))
    vector = dense(layers.Dropout(model.dropout)(vector), [model.dense], [model.dropout])
    return keras.Model(start, probability(vector, labels), name="residual_cnn")


def _stem(flow: keras.KerasTensor, filters: int) -> keras.KerasTensor:
    if min(flow.shape[1:3]) < LARGE:
        return _convolve(flow, filters)
    flow = _convolve(flow, filters, strides=2)
    return flow if min(flow.shape[1:3]) < LARGE else _convolve(_activate(flow), filters, strides=2)


def _block(flow: keras.KerasTensor, filters: int, strides: int) -> keras.KerasTensor:
    """Two 3x3 convolutions beside a shortcut, which averages cells and mixes channels where sizes change.

    Averaging loses nothing, where a 1x1 convolution in steps of two skips three cells of four (He et al. 2019,
    arXiv:1812.01187, ResNet-D). The latter's gradient also overruns its memory in TensorFlow 2.21 on processors,
    for some numbers of channels.
    """
    inner = _activate(flow)
    shortcut = flow
    if strides != 1 or flow.shape[-1] != filters:
        shortcut = layers.AveragePooling2D(strides, padding="same")(inner) if strides != 1 else inner
        shortcut = _convolve(shortcut, filters, kernel=1)
    inner = _convolve(inner, filters, strides=strides)
    return layers.Add()([_convolve(_activate(inner), filters), shortcut])


def _activate(flow: keras.KerasTensor) -> keras.KerasTensor:
    return layers.Activation("relu")(normalise(flow))


def _convolve(flow: keras.KerasTensor, filters: int, kernel: int = 3, strides: int = 1) -> keras.KerasTensor:
    return layers.Conv2D(filters, kernel, strides, padding="same", use_bias=False, kernel_initializer="he_normal")(flow)
