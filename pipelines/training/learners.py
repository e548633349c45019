"""From a recipe to its model, of whichever kind it is."""

from pipelines.recipe import AugmentParams, ImageParams, LabelParams, TrainParams
from pipelines.recipe_models import ModelParams, TorchCnn
from pipelines.training.keras_learner import KerasLearner
from pipelines.training.learner import Learner


def learner_of(
    model: ModelParams, image: ImageParams, labels: LabelParams, augment: AugmentParams, train: TrainParams
) -> Learner:
    """The model that a recipe names.

    Raises:
        ModelError: it needs PyTorch, which is not installed; the image is too small; or its weights cannot be had.
    """
    if isinstance(model, TorchCnn):
        from pipelines.pytorch.learner import TorchLearner  # PyTorch need not be installed

        return TorchLearner(model, image, labels, augment, train)
    return KerasLearner(model, image, labels, augment, train)
