"""A small learning task for tests that train, in this process or in one that is killed: ill images have a bright patch.

python -m tests.pipelines.patches FOLDER WEIGHTS KIND {"epochs": 3, ...}
"""

import json
import sys
from pathlib import Path

import numpy as np

from pipelines.recipe import AugmentParams, HeadParams, ImageParams, LabelParams, TrainParams
from pipelines.recipe_models import CustomCnn, SmallCnn
from pipelines.training.checkpoint import Checkpoints
from pipelines.training.labelled import Labelled
from tests.conftest import TRAINING

AUGMENT = AugmentParams(
    rotation=5, shift=0.05, shear=0, zoom=0.05, flip=False, contrast=0.1, brightness=0.05, noise=0.01
)
NO_AUGMENT = AugmentParams(rotation=0, shift=0, shear=0, zoom=0, flip=False, contrast=0, brightness=0, noise=0)
IMAGE = ImageParams(levels="stored", height=16, width=16, channels=1, fit="stretch")
LABELS = LabelParams(names=("NORMAL", "PNEUMONIA"), positive="PNEUMONIA")
NORMALISED = SmallCnn(name="small-cnn", filters=(4, 6), dense=4, dropout=0.1)
PLAIN = CustomCnn(name="custom-cnn", filters=(4, 6), dense=4, dropout=0.0)
SAVED = "saved a checkpoint"


def draw(count, seed=0):
    """Images and targets."""
    rng = np.random.default_rng(seed)
    targets = np.arange(count) % 2
    images = rng.integers(0, 120, (count, 16, 16, 1), dtype=np.uint8)
    images[targets == 1, 4:10, 4:10] += 100
    return Labelled(images, targets)


def learner(train, model=NORMALISED, augment=AUGMENT):
    """A Keras model for the task."""
    from pipelines.training.keras_learner import KerasLearner

    return KerasLearner(model, IMAGE, LABELS, augment, train)


class Telling(Checkpoints):
    """Says aloud when a checkpoint was written, so that whoever watches can kill the process there."""

    def save(self, arrays, told):
        super().save(arrays, told)
        print(SAVED, flush=True)


def main(folder, weights, kind, numbers):
    """Train from where the folder's checkpoint stands, and write the weights."""
    changes = json.loads(numbers)
    head = changes.pop("head", None)
    train = TrainParams(**(TRAINING | changes | {"head": HeadParams(**head) if head else None}))
    one = learner(train) if kind == "augmented" else learner(train, PLAIN, NO_AUGMENT)
    history = one.fit(draw(50), draw(24, seed=1), Telling(Path(folder), "key", 0))
    if weights != "none":
        np.savez(weights, *one.network.get_weights())
    print(json.dumps(history[-1]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
