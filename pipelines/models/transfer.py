"""Networks that were trained on ImageNet, with a new head."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from pipelines.models.classic import BATCH_NORM_MOMENTUM
from pipelines.models.head import averaged, check_side, dense, feature_map, picture, probability
from pipelines.models.lite0 import efficientnet_lite0
from pipelines.models.weights import bring_weights
from pipelines.recipe import ImageParams, LabelParams
from pipelines.recipe_models import Transfer

SMALLEST_SIDE = 32  # pixels: the networks halve the image five times
IMAGENET_MEAN, IMAGENET_DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])  # of RGB, 0 to 1


@dataclass(frozen=True)
class Backbone:
    """A network, and the colours that its ImageNet weights expect: grey level x scale + offset, in RGB or BGR.

    Args:
        make: makes it, as the functions of `keras.applications` do.
        scale: by channel, RGB.
        offset: by channel, RGB.
        blue_first: the channels are turned round after that.
    """

    make: Callable[..., keras.Model]
    scale: np.ndarray
    offset: np.ndarray
    blue_first: bool = False


# EfficientNetB0 divides by 255 itself. Its weights were trained on colours that were by mistake divided by the root of
# the deviation, too, which Keras does only to weights that it downloads itself; here those of a file meet the same.
STEEP = IMAGENET_DEVIATION**-1.5
BACKBONES = {
    "densenet121": Backbone(
        keras.applications.DenseNet121, 1 / 255 / IMAGENET_DEVIATION, -IMAGENET_MEAN / IMAGENET_DEVIATION
    ),
    "resnet50": Backbone(
        keras.applications.ResNet50, np.ones(3), -np.array([123.68, 116.779, 103.939]), blue_first=True
    ),
    "efficientnet-b0": Backbone(keras.applications.EfficientNetB0, STEEP, -255 * IMAGENET_MEAN * STEEP),
    "efficientnet-lite0": Backbone(efficientnet_lite0, np.full(3, 1 / 128), np.full(3, -127 / 128)),
}


def transfer(model: Transfer, image: ImageParams, labels: LabelParams) -> keras.Model:
    """A network with its weights up to the last feature map, then pooling, dropout, a dense layer and dropout.

    Grey images are shown to it as red, green and blue. Parameters of the networks with their tops for 1000 classes:
    DenseNet121 8,062,504 (Huang et al. 2017, arXiv:1608.06993), ResNet50 25,636,712 (He et al. 2016, arXiv:1512.03385),
    EfficientNetB0 5,330,571 (Tan and Le 2019, arXiv:1905.11946), EfficientNet-Lite0 4,652,008.

    Raises:
        ModelError: the image is too small, or the weights cannot be had.
    """
    check_side(model.name, image, SMALLEST_SIDE)
    backbone = BACKBONES[model.name]
    start = picture((image.height, image.width, image.channels))
    network = _portable(backbone.make(include_top=False, weights=None, input_tensor=shown(start, backbone)))
    bring_weights(model, backbone.make, network)
    for layer in network.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = BATCH_NORM_MOMENTUM
    before, behind = model.dropout
    flow = layers.Dropout(before)(averaged(feature_map(network.output)))
    flow = dense(flow, [model.dense], [behind])
    return keras.Model(network.inputs[0], probability(flow, labels), name=model.name.replace("-", "_"))


def shown(start: keras.KerasTensor, backbone: Backbone) -> keras.KerasTensor:
    """From grey levels to the colours that the network knows, (n, height, width, 3)."""
    flow = start if start.shape[-1] == 3 else layers.Concatenate()([start] * 3)
    flow = layers.Rescaling(backbone.scale.tolist(), backbone.offset.tolist())(flow)
    return ops.take(flow, [2, 1, 0], axis=-1) if backbone.blue_first else flow


def _portable(network: keras.Model) -> keras.Model:
    """The same network without two things that cannot leave or bear training.

    Keras' layer for the normalisation of colours cannot be written as ONNX. It is left as it came, and so changes
    nothing: the colours are right before it. The gradient of a 1x1 convolution in steps of two overruns its memory in
    TensorFlow 2.21 on processors, for some numbers of channels: the steps are taken before it.
    """
    stepping = {layer.name for layer in network.layers if _takes_steps(layer)}
    if not stepping and not any(isinstance(layer, layers.Normalization) for layer in network.layers):
        return network

    def copied(layer: layers.Layer) -> layers.Layer:
        if isinstance(layer, layers.Normalization):
            return layers.Activation("linear", name=layer.name)
        changes = {"strides": (1, 1)} if layer.name in stepping else {}
        return type(layer).from_config({**layer.get_config(), **changes})

    def called(layer: layers.Layer, *flows: keras.KerasTensor, **how: Any) -> keras.KerasTensor:
        if layer.name in stepping:
            flows = (layers.MaxPooling2D(1, strides=2, name=f"{layer.name}_step")(flows[0]),)
        return layer(*flows, **how)

    return keras.models.clone_model(network, clone_function=copied, call_function=called)


def _takes_steps(layer: layers.Layer) -> bool:
    return type(layer) is layers.Conv2D and layer.kernel_size == (1, 1) and layer.strides == (2, 2)
