"""What can be trained: a table of architectures by name.

Every model is one flat graph: `image` (n, height, width, channels; grey levels 0 to 255) at its start, a layer named
`features` for the last feature map, a layer named `logit` for the last dense layer, `probability` at its end.
"""

import keras

from pipelines.models.classic import custom_cnn, small_cnn
from pipelines.recipe import ImageParams, LabelParams, ModelParams

BUILDERS = {"small-cnn": small_cnn, "custom-cnn": custom_cnn}


def build(model: ModelParams, image: ImageParams, labels: LabelParams) -> keras.Model:
    """The untrained model that a recipe names.

    Output shape: (n, 1), probability of the positive class, with two classes; (n, classes) with more.
    """
    return BUILDERS[model.name](model, image, labels)
