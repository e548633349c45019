"""What can be trained with Keras: a table of architectures by name.

Every model is one flat graph: `image` (n, height, width, channels; grey levels 0 to 255) at its start, a layer named
`features` for the last feature map, a layer named `logit` for the last dense layer, `probability` at its end.
"""

from collections.abc import Callable

import keras

from pipelines.models.classic import cifar_cnn, custom_cnn, mnist_cnn, small_cnn
from pipelines.models.landmarks import alexnet, lenet_5, vgg
from pipelines.models.residual import residual_cnn
from pipelines.models.transfer import transfer
from pipelines.recipe import ImageParams, LabelParams
from pipelines.recipe_models import ModelParams

BUILDERS: dict[str, Callable[..., keras.Model]] = {
    "small-cnn": small_cnn,
    "residual-cnn": residual_cnn,
    "mnist-cnn": mnist_cnn,
    "cifar-cnn": cifar_cnn,
    "custom-cnn": custom_cnn,
    "lenet-5": lenet_5,
    "alexnet": alexnet,
    "vgg16": vgg,
    "vgg19": vgg,
    "densenet121": transfer,
    "resnet50": transfer,
    "efficientnet-b0": transfer,
    "efficientnet-lite0": transfer,
}


def build(model: ModelParams, image: ImageParams, labels: LabelParams) -> keras.Model:
    """The untrained model that a recipe names.

    Output shape: (n, 1), probability of the positive class, with two classes; (n, classes) with more.

    Raises:
        ModelError: the image is too small for it, or its weights cannot be had.
    """
    return BUILDERS[model.name](model, image, labels)
