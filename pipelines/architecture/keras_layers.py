"""The layers of a Keras model, as `layer_facts` wants them, and pictures of what its convolutions hold and see."""

import keras
import numpy as np
from keras import layers

from pipelines.architecture.formulas import Layer, LayerFact, Window, facts

KINDS: dict[type, str] = {
    layers.Conv2D: "convolution",
    layers.DepthwiseConv2D: "depthwise convolution",
    layers.SeparableConv2D: "separable convolution",
    layers.Dense: "dense",
    layers.MaxPooling2D: "pooling",
    layers.AveragePooling2D: "pooling",
    layers.GlobalAveragePooling2D: "global pooling",
    layers.GlobalMaxPooling2D: "global pooling",
    layers.ZeroPadding2D: "zero padding",
    layers.Flatten: "flatten",
    layers.BatchNormalization: "normalisation",
    layers.Add: "addition",
    layers.Multiply: "multiplication",
    layers.Concatenate: "concatenation",
    layers.Activation: "elementwise",
    layers.ReLU: "elementwise",
    layers.Softmax: "elementwise",
    layers.Rescaling: "elementwise",
    layers.Dropout: "elementwise",
}
SHOWN_LAYERS = 3


def described(model: keras.Model) -> list[LayerFact]:
    """Every layer of a flat model by the formulas, next to what Keras made of it."""
    operations = [one for one in model.operations if not isinstance(one, layers.InputLayer)]
    return facts([_layer(one) for one in operations], tuple(model.input.shape[1:]))


def first_filters(model: keras.Model) -> np.ndarray:
    """Weights of the first convolution, (filters, rows, columns, channels)."""
    first = next(layer for layer in model.layers if isinstance(layer, layers.Conv2D))
    return np.moveaxis(keras.ops.convert_to_numpy(first.kernel), 3, 0)


def feature_maps(model: keras.Model, image: np.ndarray) -> dict[str, np.ndarray]:
    """What the first, a middle and the last convolution make of an image: (rows, columns, maps) by the layer's name.

    Args:
        image: (height, width, channels) uint8.
    """
    found = [layer for layer in model.layers if isinstance(layer, layers.Conv2D)]
    places = sorted({0, len(found) // 2, len(found) - 1})[:SHOWN_LAYERS]
    taps = keras.Model(model.input, [found[place].output for place in places])
    maps = taps(image[np.newaxis].astype("float32"), training=False)
    maps = maps if isinstance(maps, (list, tuple)) else [maps]
    return {
        found[place].name: keras.ops.convert_to_numpy(one)[0].astype(np.float32)
        for place, one in zip(places, maps, strict=True)
    }


def _layer(operation: keras.Operation) -> Layer:
    tensors = keras.tree.flatten(operation.input)
    output = keras.tree.flatten(operation.output)[0]
    return Layer(
        name=operation.name,
        kind=_kind(operation),
        before=tuple(tensor._keras_history.operation.name for tensor in tensors),
        window=_window(operation),
        filters=int(getattr(operation, "filters", None) or getattr(operation, "units", None) or 0),
        bias=bool(getattr(operation, "use_bias", False)),
        size=tuple(int(side) for side in output.shape[1:]),
        parameters=int(operation.count_params()) if isinstance(operation, layers.Layer) else 0,
        groups=int(getattr(operation, "groups", None) or 1),
        multiplier=int(getattr(operation, "depth_multiplier", None) or 1),
    )


def _kind(operation: keras.Operation) -> str:
    if getattr(operation, "keepdims", False):  # of a global pooling, whose formula gives a vector
        return "other"
    return next((kind for known, kind in KINDS.items() if isinstance(operation, known)), "other")


def _window(operation: keras.Operation) -> Window:
    if isinstance(operation, layers.ZeroPadding2D):
        (top, bottom), (left, right) = operation.padding
        return Window(zeros=(top + bottom, left + right))
    kernel = getattr(operation, "kernel_size", None) or getattr(operation, "pool_size", None)
    if kernel is None:
        return Window()
    dilation = _pair(getattr(operation, "dilation_rate", 1))
    return Window(_pair(kernel), _pair(operation.strides), str(operation.padding), dilation=dilation)


def _pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))
