"""What the train stage asks of a kind of model; Keras and PyTorch each answer in their own way."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pipelines.architecture.formulas import LayerFact
from pipelines.export.familiarity import FeatureStatistics
from pipelines.training.checkpoint import Checkpoints
from pipelines.training.labelled import Labelled


class Learner(Protocol):
    """A model that can be trained, explained and written to a file."""

    name: str
    framework: str  # its package
    parameters: int

    def fit(self, learn: Labelled, check: Labelled, checkpoints: Checkpoints) -> list[dict[str, Any]]:
        """Train, or go on where a checkpoint stands; the best epoch's weights are left in place.

        Returns:
            One row per epoch: epoch, phase, loss, val_loss, val_auc, val_accuracy.
        """

    def features(self, images: np.ndarray) -> np.ndarray:
        """Mean of each channel of the last feature map, (n, channels) float32."""

    def probability(self, images: np.ndarray) -> np.ndarray:
        """(n, 1) of the positive class with two classes, (n, classes) with more."""

    def export(self, path: Path, statistics: FeatureStatistics, images: np.ndarray) -> dict[str, float]:
        """Write `model.onnx`, and prove it on some images: the largest difference, by output."""

    def layers(self, image: np.ndarray) -> list[LayerFact]:
        """Every layer by the formulas, next to what the framework made of it.

        Args:
            image: (height, width, channels) uint8.
        """

    def first_filters(self) -> np.ndarray:
        """Weights of the first convolution, (filters, rows, columns, channels)."""

    def feature_maps(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """What some convolutions make of an image, (rows, columns, maps), by the layer's name."""

    def load(self, folder: Path) -> bool:
        """Take the weights of the framework's own file; whether there was one."""

    def save(self, folder: Path) -> None:
        """Write the framework's own file."""
