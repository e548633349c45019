"""The inference model: probability, heatmap and distance from one graph, in one pass.

Grad-CAM (Selvaraju et al. 2017, 10.1109/ICCV.2017.74) weighs each channel of the last feature map by the mean gradient
of the class score. Behind that map come only pooling, dense layers, normalisation and activations, whose derivatives
are known in closed form: chained backwards here, they need no automatic gradient, and export like any other layer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from sklearn.covariance import LedoitWolf

from pipelines.errors import ModelError

Tensor = Any  # of whichever backend Keras runs on

DERIVATIVES: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": ops.ones_like,
    "relu": lambda output: ops.cast(output > 0, output.dtype),
    "sigmoid": lambda output: output * (1 - output),
    "tanh": lambda output: 1 - ops.square(output),
}


@dataclass(frozen=True)
class FeatureStatistics:
    """Mean (channels,) and inverse covariance (channels, channels) of the pooled features of training images."""

    mean: np.ndarray
    precision: np.ndarray


def feature_statistics(features: np.ndarray) -> FeatureStatistics:
    """Statistics of pooled features (n, channels), the covariance shrunk (Ledoit & Wolf 2004)."""
    fitted = LedoitWolf().fit(features)
    return FeatureStatistics(fitted.location_.astype("float32"), fitted.precision_.astype("float32"))


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
    pooled = ops.mean(features, axis=(1, 2))
    outputs = {
        "probability": _all_classes(raw, positive_index),
        "heatmap": GradCam(head, name="heatmap")([features, *activations]),
        "distance": Mahalanobis(statistics, name="distance")(pooled),
    }
    return keras.Model(start, outputs, name="inference")


def head_layers(model: keras.Model) -> list[layers.Layer]:
    """The layers from the last feature map (not included) to the logits (included), in order.

    Raises:
        ModelError: they are no plain chain of layers with a known derivative.
    """
    chain = [model.get_layer("logit")]
    while (before := chain[0].input._keras_history.operation).name != "features":
        if not isinstance(before, (*BACKWARD, layers.GlobalAveragePooling2D, layers.Flatten)):
            raise ModelError(
                f"Between features and logit, {model.name} has {before.name} ({type(before).__name__}), "
                "whose derivative is not known. Expected pooling, flattening, dense, dropout, activation or "
                "batch normalisation."
            )
        chain.insert(0, before)
    for layer in chain:
        _check_activation(layer)
    return chain


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
        for layer, output in zip(self.head[:0:-1], outputs[:0:-1], strict=True):
            gradient = _backward(layer)(layer, output, gradient)
        weights = _channel_weights(self.head[0], gradient, features)
        return ops.relu(ops.sum(features * weights[:, None, None, :], axis=-1))

    def compute_output_shape(self, taps_shape: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """(n, rows, columns)."""
        return taps_shape[0][:3]


class Mahalanobis(layers.Layer):
    """Squared Mahalanobis distance from the training images. Input shape: (n, channels). Output shape: (n,)."""

    def __init__(self, statistics: FeatureStatistics, **options: Any) -> None:
        super().__init__(trainable=False, **options)
        self.statistics = statistics

    def call(self, pooled: Tensor) -> Tensor:
        """Distance of each image."""
        away = pooled - self.statistics.mean
        return ops.sum(ops.matmul(away, self.statistics.precision) * away, axis=-1)

    def compute_output_shape(self, pooled_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """(n,)."""
        return pooled_shape[:1]


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


def _derivative(activation: Callable[..., Tensor], output: Tensor) -> Tensor:
    return DERIVATIVES[activation.__name__](output)


def _dense(layer: layers.Dense, output: Tensor, gradient: Tensor) -> Tensor:
    return ops.matmul(gradient * _derivative(layer.activation, output), ops.transpose(layer.kernel))


def _activation(layer: layers.Activation, output: Tensor, gradient: Tensor) -> Tensor:
    return gradient * _derivative(layer.activation, output)


def _dropout(layer: layers.Dropout, output: Tensor, gradient: Tensor) -> Tensor:
    return gradient


def _normalisation(layer: layers.BatchNormalization, output: Tensor, gradient: Tensor) -> Tensor:
    scale = layer.gamma if layer.scale else 1.0
    return gradient * scale / ops.sqrt(layer.moving_variance + layer.epsilon)


BACKWARD: dict[type[layers.Layer], Callable[..., Tensor]] = {
    layers.Dense: _dense,
    layers.Activation: _activation,
    layers.Dropout: _dropout,
    layers.BatchNormalization: _normalisation,
}


def _backward(layer: layers.Layer) -> Callable[..., Tensor]:
    return BACKWARD[type(layer)]


def _channel_weights(first: layers.Layer, gradient: Tensor, features: Tensor) -> Tensor:
    """Mean over the cells of the gradient that reaches the feature map, (n, channels)."""
    rows, columns, channels = features.shape[1:]
    if isinstance(first, layers.GlobalAveragePooling2D):
        return gradient / (rows * columns)
    return ops.mean(ops.reshape(gradient, (-1, rows * columns, channels)), axis=1)
