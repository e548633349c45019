"""The landmarks of the field: LeNet-5, AlexNet, VGG16 and VGG19, at full width, on images from 28 x 28 on."""

from typing import Any

import keras
from keras import layers

from pipelines.models.head import check_side, dense, feature_map, flattened, picture, probability
from pipelines.recipe import ImageParams, LabelParams
from pipelines.recipe_models import AlexNet, LeNet5, Vgg

LENET_SIDE = 32  # pixels for which LeNet-5 was made; smaller images are padded
ALEXNET_STEM_SIDE = 96  # pixels from which AlexNet's first convolution takes steps of four
VGG_BLOCKS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
VGG_FILTERS = (64, 128, 256, 512, 512)
SMALLEST_POOLED = 2  # cells a side that a pooling must leave, or it is left out


def lenet_5(model: LeNet5, image: ImageParams, labels: LabelParams) -> keras.Model:
    """LeNet-5 (LeCun et al. 1998, "Gradient-based learning applied to document recognition", 10.1109/5.726791).

    Convolution C1 with 6 filters 5x5, mean pooling S2, convolution C3 with 16 filters 5x5, mean pooling S4, dense
    layers C5 with 120 and F6 with 84 units, all with tanh: 61,706 parameters at 32 x 32 x 1 with ten classes. The paper
    has 60,000: its C3 sees only some of the maps of S2, where each filter here sees all, and its S2 and S4 train
    a factor and a bias for each map. Its last layer measures distances to drawn digits; here it is a softmax.
    C5, in the paper a convolution over the whole 5 x 5 map, is written as the dense layer that it is.

    Images under 32 pixels are padded by two in C1, as the paper pads its 28 x 28 digits. Grey levels 0 to 255
    become -0.1 to 1.175, as in the paper.
    """
    check_side(model.name, image, 12)
    start = picture((image.height, image.width, image.channels))
    flow = layers.Rescaling(1.275 / 255, offset=-0.1)(start)
    padding = "same" if min(image.height, image.width) < LENET_SIDE else "valid"
    flow = layers.Conv2D(6, 5, padding=padding, activation="tanh", name="C1")(flow)
    flow = layers.AveragePooling2D(2, name="S2")(flow)
    flow = feature_map(layers.Conv2D(16, 5, activation="tanh", name="C3")(flow))
    flow = flattened(layers.AveragePooling2D(2, name="S4")(flow))
    flow = layers.Dense(120, activation="tanh", name="C5")(flow)
    flow = layers.Dense(84, activation="tanh", name="F6")(flow)
    return keras.Model(start, probability(flow, labels), name="lenet_5")


def alexnet(model: AlexNet, image: ImageParams, labels: LabelParams) -> keras.Model:
    """AlexNet (Krizhevsky et al. 2012, "ImageNet classification with deep convolutional networks", 10.1145/3065386).

    As in the paper, two towers run side by side, each with half of the filters; they see each other in the third
    convolution and in the dense layers. 60,965,224 parameters at 227 x 227 x 3 with 1000 classes and dense 4096.
    Local response normalisation, which has no parameters and was found to bring nothing (Simonyan and Zisserman 2015),
    is left out.

    From 96 pixels on the first convolution is the paper's, 11x11 with stride 4. Smaller images get 3x3 with stride 1,
    and a pooling is left out where fewer than 2 x 2 cells would remain.
    """
    check_side(model.name, image, 5)
    start = picture((image.height, image.width, image.channels))
    flow = layers.Rescaling(1 / 127.5, offset=-1.0)(start)
    large = min(image.height, image.width) >= ALEXNET_STEM_SIDE
    stem = {"kernel": 11, "strides": 4, "padding": "valid"} if large else {"kernel": 3}
    towers = _side_by_side([flow, flow], 48, "conv1", **stem)
    towers = _side_by_side([_pool(tower, 3) for tower in towers], 128, "conv2", kernel=5)
    flow = layers.Concatenate(name="conv2")([_pool(tower, 3) for tower in towers])
    towers = _side_by_side([flow, flow], 192, "conv3")
    towers = _side_by_side(_side_by_side(towers, 192, "conv4"), 128, "conv5")
    flow = _pool(feature_map(layers.Concatenate(name="conv5")(towers)), 3)
    return keras.Model(start, _two_hidden(flow, model, labels), name="alexnet")


def vgg(model: Vgg, image: ImageParams, labels: LabelParams) -> keras.Model:
    """VGG with 16 or 19 layers (Simonyan and Zisserman 2015, arXiv:1409.1556): 3x3 convolutions in five blocks.

    138,357,544 and 143,667,240 parameters at 224 x 224 x 3 with 1000 classes and dense 4096. The pooling behind a block
    is left out where fewer than 2 x 2 cells would remain of a small image.
    """
    check_side(model.name, image, 2)
    start = picture((image.height, image.width, image.channels))
    flow = layers.Rescaling(1 / 127.5, offset=-1.0)(start)
    for block, (convolutions, filters) in enumerate(zip(VGG_BLOCKS[model.name], VGG_FILTERS, strict=True), start=1):
        for place in range(1, convolutions + 1):
            flow = _convolve(flow, filters, f"block{block}_conv{place}")
        flow = _pool(feature_map(flow) if block == len(VGG_FILTERS) else flow, 2)
    return keras.Model(start, _two_hidden(flow, model, labels), name=model.name)


def _side_by_side(towers: list[keras.KerasTensor], filters: int, name: str, **options: Any) -> list[keras.KerasTensor]:
    return [_convolve(tower, filters, f"{name}{side}", **options) for side, tower in zip("ab", towers, strict=True)]


def _convolve(
    flow: keras.KerasTensor, filters: int, name: str, kernel: int = 3, strides: int = 1, padding: str = "same"
) -> keras.KerasTensor:
    """A convolution with ReLU, begun as deep networks without normalisation need (He et al. 2015, arXiv:1502.01852)."""
    return layers.Conv2D(
        filters, kernel, strides, padding, activation="relu", kernel_initializer="he_normal", name=name
    )(flow)


def _pool(flow: keras.KerasTensor, size: int) -> keras.KerasTensor:
    """Max pooling in steps of two, left out where it would leave too little of a small image."""
    left = (min(flow.shape[1:3]) - size) // 2 + 1
    return layers.MaxPooling2D(size, strides=2)(flow) if left >= SMALLEST_POOLED else flow


def _two_hidden(flow: keras.KerasTensor, model: AlexNet | Vgg, labels: LabelParams) -> keras.KerasTensor:
    return probability(dense(flattened(flow), [model.dense] * 2, [model.dropout] * 2, start="he_normal"), labels)
