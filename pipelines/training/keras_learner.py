"""The Keras kind of model, as the train stage uses it."""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from pipelines.architecture import keras_layers
from pipelines.architecture.formulas import LayerFact
from pipelines.export.explain import feature_extractor, inference_model
from pipelines.export.familiarity import FeatureStatistics
from pipelines.export.keras_export import export, proven
from pipelines.models import build
from pipelines.recipe import AugmentParams, ImageParams, LabelParams, ModelParams, TrainParams
from pipelines.training.checkpoint import Checkpoints
from pipelines.training.devices import strategy_of
from pipelines.training.labelled import Labelled
from pipelines.training.phases import Place, fit, repeatable
from pipelines.training.predict import predict

FILE = "model.keras"


class KerasLearner:
    """A model of `pipelines.models`, to be trained, explained and written."""

    framework = "keras"

    def __init__(
        self, model: ModelParams, image: ImageParams, labels: LabelParams, augment: AugmentParams, train: TrainParams
    ) -> None:
        self._strategy = strategy_of(train.devices)  # before anything is computed: workers must find each other first
        repeatable(train.seed, train.jit)
        self._made_of = (model, image, labels)
        self.augment, self.train = augment, train
        self.network = build(model, image, labels)
        self.name, self.parameters = self.network.name, int(self.network.count_params())

    def fit(self, learn: Labelled, check: Labelled, checkpoints: Checkpoints) -> list[dict[str, Any]]:
        """Train, or go on where a checkpoint stands (see `pipelines.training.learner.Learner`)."""
        place = Place(lambda: build(*self._made_of), self._strategy)
        return fit(self.network, place, learn, check, self.augment, self.train, checkpoints)

    def features(self, images: np.ndarray) -> np.ndarray:
        """Mean of each channel of the last feature map, (n, channels)."""
        return predict(feature_extractor(self.network), images)

    def probability(self, images: np.ndarray) -> np.ndarray:
        """(n, 1) of the positive class with two classes, (n, classes) with more."""
        return predict(self.network, images)

    def export(self, path: Path, statistics: FeatureStatistics, images: np.ndarray) -> dict[str, float]:
        """Write `model.onnx` and prove it on some images."""
        whole = inference_model(self.network, statistics, self._made_of[2].positive_index)
        export(whole, path)
        return proven(whole, path, images)

    def layers(self, image: np.ndarray) -> list[LayerFact]:
        """Every layer by the formulas, next to what Keras made of it."""
        return keras_layers.described(self.network)

    def first_filters(self) -> np.ndarray:
        """Weights of the first convolution, (filters, rows, columns, channels)."""
        return keras_layers.first_filters(self.network)

    def feature_maps(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """What some convolutions make of an image, (rows, columns, maps), by the layer's name."""
        return keras_layers.feature_maps(self.network, image)

    def load(self, folder: Path) -> bool:
        """Take the weights of `model.keras`; whether there was one."""
        if not (folder / FILE).is_file():
            return False
        self.network.set_weights(keras.saving.load_model(folder / FILE, compile=False).get_weights())
        return True

    def save(self, folder: Path) -> None:
        """Write `model.keras`."""
        self.network.save(folder / FILE)
