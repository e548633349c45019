"""A small learning task for tests of the PyTorch kind of model: the place of a bright patch is the class."""

import numpy as np

from pipelines.recipe import AugmentParams, ImageParams, LabelParams, TrainParams
from pipelines.recipe_models import TorchCnn as Sizes
from pipelines.training.checkpoint import Checkpoints
from pipelines.training.labelled import Labelled
from tests.conftest import TRAINING

SIZES = Sizes(name="torch-cnn", filters=(4, 6), dense=8, dropout=0.25, dense_dropout=0.5, mean=0.1307, deviation=0.3081)
AS_PUBLISHED = SIZES.model_copy(update={"filters": (32, 64), "dense": 128})
NOTHING = AugmentParams(rotation=0, shift=0, shear=0, zoom=0, flip=False, contrast=0, brightness=0, noise=0)
SLIGHT = AugmentParams(
    rotation=5, shift=0.05, shear=0.02, zoom=0.05, flip=True, contrast=0.1, brightness=0.05, noise=0.02
)
BINARY = LabelParams(names=("NORMAL", "PNEUMONIA"), positive="PNEUMONIA")
TURNED = LabelParams(names=("PNEUMONIA", "NORMAL"), positive="PNEUMONIA")
DIGITS = LabelParams(names=("0", "1", "2"), positive=None)


def picture(height=10, width=10, channels=1):
    """An `image` section."""
    return ImageParams(levels="stored", height=height, width=width, channels=channels, fit="stretch")


def numbers(**changed):
    """A `train` section of a short run."""
    return TrainParams(**(TRAINING | {"batch": 8, "epochs": 3, "balance": "none", "monitor": "loss"} | changed))


def draw(count, classes=2, seed=0):
    """Images (count, 10, 10, 1) and targets."""
    targets = np.arange(count) % classes
    images = np.random.default_rng(seed).integers(0, 120, (count, 10, 10, 1), dtype=np.uint8)
    for image, target in zip(images, targets, strict=True):
        image[2:6, 3 * target : 3 * target + 3] += 100
    return Labelled(images, targets)


def learner(train, labels=BINARY, augment=SLIGHT, sizes=SIZES):
    """A PyTorch model for the task."""
    from pipelines.pytorch.learner import TorchLearner

    return TorchLearner(sizes, picture(), labels, augment, train)


def fitted(train, folder, labels=BINARY, augment=SLIGHT, every=3600.0):
    """A trained model and its history."""
    one, classes = learner(train, labels, augment), len(labels.names)
    return one, one.fit(draw(40, classes), draw(24, classes, seed=1), Checkpoints(folder, "key", every))


class Telling(Checkpoints):
    """Says when a checkpoint was written, so that whoever listens can kill the process there."""

    def __init__(self, folder, told):
        super().__init__(folder, "key", 0)
        self.listener = told

    def save(self, arrays, told):
        super().save(arrays, told)
        self.listener.send("saved")


def train_and_tell(folder, told, changed):
    """Train from where the folder's checkpoint stands, and send the weights and the history."""
    import torch

    from pipelines.pytorch.state import weights_of

    torch.set_num_threads(1)
    one = learner(numbers(**changed))
    history = one.fit(draw(40), draw(24, seed=1), Telling(folder, told))
    told.send((weights_of(one.network), history))
