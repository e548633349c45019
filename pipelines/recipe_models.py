"""The architectures that a recipe may name, each with the sizes that may be chosen."""

from typing import Annotated, Literal

from pydantic import Field

from pipelines.section import Positive, Section, Share

Filters = Annotated[tuple[Positive, ...], Field(min_length=1)]


class SmallCnn(Section):
    """Blocks of convolution, batch normalisation and pooling, one a number in `filters`, then averaging."""

    name: Literal["small-cnn"]
    filters: Filters
    dense: Positive
    dropout: Share


class ResidualCnn(Section):
    """Residual blocks (He et al. 2016), `blocks` at each width in `filters`, then averaging; for grey films."""

    name: Literal["residual-cnn"]
    filters: Filters
    blocks: Positive
    dense: Positive
    dropout: Share


class MnistCnn(Section):
    """For each number in `filters` a 3x3 convolution, batch normalisation and pooling, then a dense layer."""

    name: Literal["mnist-cnn"]
    filters: Filters
    dense: Positive
    dropout: Share


class CifarCnn(Section):
    """For each number in `filters` two normalised 3x3 convolutions, pooling and dropout, then a normalised dense layer.

    dropout is behind each block, dense_dropout behind the dense layer.
    """

    name: Literal["cifar-cnn"]
    filters: Filters
    dense: Positive
    dropout: Share
    dense_dropout: Share


class CustomCnn(Section):
    """For each number in `filters` a 3x3 convolution and pooling, then a dense layer."""

    name: Literal["custom-cnn"]
    filters: Filters
    dense: Positive
    dropout: Share


class LeNet5(Section):
    """LeNet-5 (LeCun et al. 1998)."""

    name: Literal["lenet-5"]


class AlexNet(Section):
    """AlexNet (Krizhevsky et al. 2012), with `dense` units in each of its two hidden dense layers."""

    name: Literal["alexnet"]
    dense: Positive
    dropout: Share


class Vgg(Section):
    """VGG with 16 or 19 layers (Simonyan and Zisserman 2015), and `dense` units in each of two hidden dense layers."""

    name: Literal["vgg16", "vgg19"]
    dense: Positive
    dropout: Share


class Transfer(Section):
    """A network that was trained on ImageNet, with a new head: pooling, dropout, dense, dropout.

    weights: `imagenet` (from Keras; those of efficientnet-lite0 from a package), a file, or null for random ones.
    dropout: before the dense layer, and behind it.
    """

    name: Literal["densenet121", "resnet50", "efficientnet-b0", "efficientnet-lite0"]
    weights: str | None
    dense: Positive
    dropout: tuple[Share, Share]


class TorchCnn(Section):
    """The PyTorch network: two 3x3 convolutions, pooling, dropout, a dense layer, dropout.

    mean and deviation normalise grey levels that were scaled to [0, 1].
    """

    name: Literal["torch-cnn"]
    filters: tuple[Positive, Positive]
    dense: Positive
    dropout: Share
    dense_dropout: Share
    mean: float
    deviation: Annotated[float, Field(gt=0)]


ModelParams = Annotated[
    SmallCnn | ResidualCnn | MnistCnn | CifarCnn | CustomCnn | LeNet5 | AlexNet | Vgg | Transfer | TorchCnn,
    Field(discriminator="name"),
]
