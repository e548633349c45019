"""The input path of training: memory-mapped images, gathered by index in an order that a seed gives each epoch."""

import math

import keras
import numpy as np


class Batches(keras.utils.PyDataset):
    """Batches of images, targets and weights.

    Args:
        images: (n, height, width, channels) uint8, on disk or in memory.
        targets: (n,) integers; with two classes 1 is the positive one.
        class_weight: weight of each target value.
        batch: images per batch; the last batch may be smaller.
        seed: of the order; each epoch has its own.
    """

    def __init__(
        self, images: np.ndarray, targets: np.ndarray, class_weight: np.ndarray, batch: int, seed: int
    ) -> None:
        super().__init__()
        self.images, self.targets, self.class_weight = images, targets, class_weight.astype("float32")
        self.batch, self.seed, self.epoch = batch, seed, 0
        self._order = self._permutation()

    def __len__(self) -> int:
        """Batches in an epoch."""
        return math.ceil(len(self.targets) / self.batch)

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Batch of that number: images as stored, targets, and a weight for each image."""
        chosen = np.sort(self._order[number * self.batch : (number + 1) * self.batch])
        targets = self.targets[chosen]
        return self.images[chosen], targets, self.class_weight[targets]

    def on_epoch_end(self) -> None:
        """Shuffle anew."""
        self.epoch += 1
        self._order = self._permutation()

    def _permutation(self) -> np.ndarray:
        return np.random.default_rng((self.seed, self.epoch)).permutation(len(self.targets))


def balanced_weights(targets: np.ndarray, classes: int) -> np.ndarray:
    """Weight of each class, so that all classes count alike and the mean weight of the images is 1."""
    counts = np.bincount(targets, minlength=classes)
    return len(targets) / (classes * np.maximum(counts, 1))
