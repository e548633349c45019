"""The input path of training: images left on disk, gathered by index in an order that a seed gives each epoch.

The same for every framework: it knows NumPy alone. A batch is named by epoch and step, so that a run can go on in the
middle of an epoch, and the next one is read while this one trains.
"""

import math
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from pipelines.recipe import TrainParams
from pipelines.training.labelled import Labelled

Batch = tuple[np.ndarray, np.ndarray, np.ndarray]


class Batches:
    """Batches of images, targets and weights.

    Args:
        data: images on disk or in memory; targets are integers.
        classes: how many values a target has.
        train: `batch`, `seed` and `balance` are used; an epoch has its own order.
    """

    def __init__(self, data: Labelled, classes: int, train: TrainParams) -> None:
        self.data, self.size, self.seed = data, train.batch, train.seed
        counts = np.bincount(data.targets, minlength=classes)
        self._oversampled = train.balance == "oversample"
        self._classes = [np.flatnonzero(data.targets == value) for value in range(classes) if counts[value]]
        self._weights = balanced_weights(counts) if train.balance == "weights" else np.ones(classes)
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, dtype=int))

    def __len__(self) -> int:
        """Steps of an epoch; the last batch may be smaller."""
        return math.ceil(self.images_an_epoch / self.size)

    @property
    def images_an_epoch(self) -> int:
        """Images of an epoch; with oversampling as many of each class as of the largest."""
        if not self._oversampled:
            return len(self.data.targets)
        return len(self._classes) * max(map(len, self._classes))

    def batch(self, epoch: int, step: int) -> Batch:
        """Images as stored, targets int64, and weights float32 of one step of an epoch, both counted from 0."""
        chosen = np.sort(self._indices(epoch)[step * self.size : (step + 1) * self.size])
        targets = self.data.targets[chosen].astype(np.int64)
        return self.data.images[chosen], targets, self._weights[targets].astype(np.float32)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from one step on; the next is read while the caller works on this one."""
        with ThreadPoolExecutor(1, thread_name_prefix="batches") as reader:
            ahead: Future[Batch] | None = None
            for step in range(start, len(self)):
                current = ahead or reader.submit(self.batch, epoch, step)
                ahead = reader.submit(self.batch, epoch, step + 1) if step + 1 < len(self) else None
                yield current.result()

    def _indices(self, epoch: int) -> np.ndarray:
        """The order of an epoch, which follows from the seed and its number."""
        known, order = self._order
        if known != epoch:
            rng = np.random.default_rng((self.seed, epoch))
            order = rng.permutation(self._oversample(rng) if self._oversampled else len(self.data.targets))
            self._order = (epoch, order)
        return order

    def _oversample(self, rng: np.random.Generator) -> np.ndarray:
        """Each image as often as its class needs to equal the largest; what is left over is drawn without return."""
        largest = max(map(len, self._classes))
        parts = []
        for members in self._classes:
            whole, rest = divmod(largest, len(members))
            parts += [np.tile(members, whole), rng.choice(members, rest, replace=False)]
        return np.concatenate(parts)


def balanced_weights(counts: np.ndarray) -> np.ndarray:
    """Weight of each class, so that all classes count alike and the mean weight of the images is 1."""
    return counts.sum() / (len(counts) * np.maximum(counts, 1))
