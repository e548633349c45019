"""The inference model: probability, heatmap and distance from one graph, in one pass.

Grad-CAM (Selvaraju et al. 2017, 10.1109/ICCV.2017.74) weighs each channel of the last feature map by the mean gradient
of the class score. Behind that map come only pooling, dense layers, normalisation and activations, whose derivatives
are known in closed form: chained backwards here, they need no automatic gradient, and export like any other layer.

The mean is the sum over the cells of the map by their number. Pooling keeps this sum, whatever its windows: the maximum
hands its gradient to one cell, the average to its cells in equal parts. So no place need be known.
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import layers, ops

from pipelines.errors import ModelError
from pipelines.export.familiarity import FeatureStatistics

Tensor = Any  # of whichever backend Keras runs on

DERIVATIVES: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": ops.ones_like,
    "relu": lambda output: ops.cast(output > 0, output.dtype),
    "relu6": lambda output: ops.cast((output > 0) & (output < 6), output.dtype),
    "sigmoid": lambda output: output * (1 - output),
    "tanh": lambda output: 1 - ops.square(output),
}


def feature_extractor(model: keras.Model) -> keras.Model:
    """From image to the mean of each channel of the last feature map, (n, channels)."""
    return keras.Model(model.input, ops.mean(model.get_layer("features").output, axis=(1, 2)))


def inference_model(model: keras.Model, statistics: FeatureStatistics, positive_index: int) -> keras.Model:
    """The graph that is exported.

    Input shape: (n, height, width, channels) uint8.
    Output: `probability` (n, classes); `heatmap` (n, rows, columns), not negative, the part of the logit that each cell
    adds; `distance` (n,), squared Mahalanobis distance of the pooled features from the training images.
    """
    start = layers.Input(model.input.shape[1:], dtype="uint8", name="image")
    head = head_layers(model)
    taps = [model.get_layer("features").output, *(layer.output for layer in head), model.output]
    features, *activations, raw = keras.Model(model.input, taps)(ops.cast(start, "float32"))
    outputs = {
        "probability": _all_classes(raw, positive_index),
        "heatmap": GradCam(head, name="heatmap")([features, *activations]),
        "distance": Mahalanobis(statistics, name="distance")(features),
    }
    return keras.Model(start, outputs, name="inference")


def head_layers(model: keras.Model) -> list[layers.Layer]:
    """The layers from the last feature map (not included) to the logits (included), in order.

    Raises:
        ModelError: they are no plain chain of layers with a known derivative, which on the map may not depend on
            the place.
    """
    chain = [model.get_layer("logit")]
    while (before := chain[0].input._keras_history.operation).name != "features":
        if type(before) not in (BACKWARD if len(before.output.shape) == 2 else BACKWARD_ON_MAPS):
            raise ModelError(
                f"Between features and logit, {model.name} has {before.name} ({type(before).__name__}), "
                "whose derivative is not known. Expected on the map pooling, dropout or batch normalisation; behind "
                "pooling or flattening also dense layers and activations."
            )
        chain.insert(0, before)
    for layer in chain:
        _check_activation(layer)
        _check_axis(layer)
    return chain


def vector_layers(model: keras.Model) -> list[layers.Layer]:
    """The layers of the head from the one that makes a vector of the feature map, in order."""
    head = head_layers(model)
    return head[next(place for place, layer in enumerate(head) if len(layer.output.shape) == 2) :]


class GradCam(layers.Layer):
    """Grad-CAM of the class that is asked about: the positive one, or the most probable of many.

    Input: the last feature map (n, rows, columns, channels), then the output of each layer of the head.
    Output shape: (n, rows, columns), float32, not negative.
    """

    def __init__(self, head: list[layers.Layer], **options: Any) -> None:
        super().__init__(trainable=False, **options)
        self.head = head

    def call(self, taps: list[Tensor]) -> Tensor:
        """Heat of each cell."""
        features, *outputs = taps
        gradient = _score_gradient(outputs[-1])
        for layer, output in zip(reversed(self.head), reversed(outputs), strict=True):
            gradient = BACKWARD[type(layer)](layer, output, gradient)
        _, rows, columns, _ = features.shape
        weights = gradient[:, None, None, :] / (rows * columns)
        return ops.relu(ops.sum(features * weights, axis=-1))

    def compute_output_shape(self, taps_shape: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """(n, rows, columns)."""
        return taps_shape[0][:3]


class Mahalanobis(layers.Layer):
    """Squared Mahalanobis distance of a feature map's mean from the training images.

    Input shape: (n, rows, columns, channels). Output shape: (n,).

    The mean, and how far it lies away, are computed in double precision: ONNX Runtime adds the cells of a map one after
    the other, and what single precision loses there, an ill-conditioned covariance makes a thousand times as large.
    """

    def __init__(self, statistics: FeatureStatistics, **options: Any) -> None:
        super().__init__(trainable=False, **options)
        self.statistics = statistics

    def call(self, features: Tensor) -> Tensor:
        """Distance of each image."""
        _, rows, columns, _ = features.shape
        total = ops.sum(ops.cast(features, "float64"), axis=(1, 2))  # the runtime has no average in double precision
        away = total / (rows * columns) - self.statistics.mean.astype("float64")
        white = ops.matmul(ops.cast(away, "float32"), self.statistics.whitening)
        return ops.sum(white * white, axis=-1)

    def compute_output_shape(self, features_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """(n,)."""
        return features_shape[:1]


def _all_classes(probability: Tensor, positive_index: int) -> Tensor:
    if probability.shape[1] != 1:
        return probability
    pair = [1 - probability, probability]
    return ops.concatenate(pair if positive_index == 1 else pair[::-1], axis=1)


def _score_gradient(logits: Tensor) -> Tensor:
    if logits.shape[1] == 1:
        return ops.ones_like(logits)
    best = ops.max(logits, axis=1, keepdims=True)
    return ops.cast(ops.equal(logits, best), logits.dtype)  # Keras' argmax has no ONNX form


def _check_activation(layer: layers.Layer) -> None:
    name = layer.activation.__name__ if isinstance(layer, (layers.Dense, layers.Activation)) else "linear"
    if name not in DERIVATIVES:
        raise ModelError(
            f"No derivative is known for the activation {name!r} of {layer.name}. "
            f"Expected one of: {', '.join(DERIVATIVES)}."
        )


def _check_axis(layer: layers.Layer) -> None:
    if isinstance(layer, layers.BatchNormalization) and layer.axis not in (-1, len(layer.output.shape) - 1):
        raise ModelError(f"{layer.name} normalises along axis {layer.axis}. Expected the channels, axis -1.")


def _derivative(activation: Callable[..., Tensor], output: Tensor) -> Tensor:
    return DERIVATIVES[activation.__name__](output)


def _dense(layer: layers.Dense, output: Tensor, gradient: Tensor) -> Tensor:
    gradient = gradient * _derivative(layer.activation, output)
    # The kernel stands on the left as it is: turned round, it would be in the exported file a second time.
    return ops.transpose(ops.matmul(_kernel(layer), ops.transpose(gradient)))


def _kernel(layer: layers.Dense) -> Tensor:
    """Weights (inputs, units); over a flattened map, whose cells count alike, their sums (channels, units)."""
    before = layer.input._keras_history.operation
    while isinstance(before, layers.Dropout):
        before = before.input._keras_history.operation
    if not isinstance(before, layers.Flatten):
        return layer.kernel
    return ops.sum(ops.reshape(layer.kernel, (-1, before.input.shape[-1], layer.units)), axis=0)


def _activation(layer: layers.Activation, output: Tensor, gradient: Tensor) -> Tensor:
    return gradient * _derivative(layer.activation, output)


def _normalisation(layer: layers.BatchNormalization, output: Tensor, gradient: Tensor) -> Tensor:
    scale = layer.gamma if layer.scale else 1.0
    return gradient * scale / ops.sqrt(layer.moving_variance + layer.epsilon)


def _flattening(layer: layers.Flatten, output: Tensor, gradient: Tensor) -> Tensor:
    channels = layer.input.shape[-1]
    return ops.sum(ops.reshape(gradient, (-1, gradient.shape[1] // channels, channels)), axis=1)


def _unchanged(layer: layers.Layer, output: Tensor, gradient: Tensor) -> Tensor:
    return gradient


# From the gradient behind a layer to the one before it, (n, units); on maps to its sum over the cells, (n, channels).
BACKWARD_ON_MAPS: dict[type[layers.Layer], Callable[..., Tensor]] = {
    layers.MaxPooling2D: _unchanged,
    layers.AveragePooling2D: _unchanged,
    layers.Dropout: _unchanged,
    layers.BatchNormalization: _normalisation,
}
BACKWARD: dict[type[layers.Layer], Callable[..., Tensor]] = {
    **BACKWARD_ON_MAPS,
    layers.GlobalAveragePooling2D: _unchanged,
    layers.GlobalMaxPooling2D: _unchanged,
    layers.Flatten: _flattening,
    layers.Dense: _dense,
    layers.Activation: _activation,
}
