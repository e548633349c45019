"""The PyTorch kind of model, as the train stage uses it."""

import copy
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipelines.architecture.formulas import LayerFact
from pipelines.errors import RecipeError
from pipelines.export.familiarity import FeatureStatistics
from pipelines.export.onnx_file import parity
from pipelines.inference import OUTPUTS
from pipelines.pytorch import architecture
from pipelines.pytorch.explain import Inference
from pipelines.pytorch.export import export
from pipelines.pytorch.loop import Run
from pipelines.pytorch.memory import out_of_memory_named
from pipelines.pytorch.network import TorchCnn
from pipelines.pytorch.predict import pooled_features, probabilities
from pipelines.pytorch.state import array_of
from pipelines.recipe import AugmentParams, ImageParams, LabelParams, TrainParams
from pipelines.recipe_models import TorchCnn as Sizes
from pipelines.training.checkpoint import Checkpoints
from pipelines.training.labelled import Labelled

FILE = "model.pt"


class TorchLearner:
    """A `TorchCnn`, to be trained, explained and written; on a GPU where there is one.

    Raises:
        RecipeError: the recipe asks for what this kind of model has not.
        ModelError: the image is too small, or the network too large for the memory.
    """

    framework = "torch"

    def __init__(
        self, model: Sizes, image: ImageParams, labels: LabelParams, augment: AugmentParams, train: TrainParams
    ) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        check_possible(train, self.device.type)
        repeatable(train.seed)
        self.labels, self.augment, self.train = labels, augment, train
        outputs = 1 if labels.positive else len(labels.names)
        with out_of_memory_named(train.batch):
            self.network = TorchCnn(model, image, outputs).to(self.device)
        self.name: str = model.name
        self.parameters = sum(weight.numel() for weight in self.network.parameters())

    def fit(self, learn: Labelled, check: Labelled, checkpoints: Checkpoints) -> list[dict[str, Any]]:
        """Train, or go on where a checkpoint stands (see `pipelines.training.learner.Learner`).

        Raises:
            ModelError: the device ran out of memory, or the loss is no longer a finite number.
        """
        with out_of_memory_named(self.train.batch):
            return Run(self.network, learn, check, self.augment, self.train, checkpoints).finish()

    def features(self, images: np.ndarray) -> np.ndarray:
        """Mean of each channel of the last feature map, (n, channels)."""
        return pooled_features(self.network, images, self.train.batch)

    def probability(self, images: np.ndarray) -> np.ndarray:
        """(n, 1) of the positive class with two classes, (n, classes) with more."""
        return probabilities(self.network, images, self.train.batch)

    def export(self, path: Path, statistics: FeatureStatistics, images: np.ndarray) -> dict[str, float]:
        """Write `model.onnx` and prove it on some images."""
        on_processor = copy.deepcopy(self.network).cpu()
        whole = Inference(on_processor, statistics, self.labels.positive_index)
        export(whole, path, images.shape[1:])
        with torch.inference_mode():
            said = whole(torch.from_numpy(np.array(images)))
        meant = {name: array_of(value) for name, value in zip(OUTPUTS, said, strict=True)}
        return parity(meant, path, images)

    def layers(self, image: np.ndarray) -> list[LayerFact]:
        """Every layer by the formulas, next to what PyTorch made of it."""
        return architecture.described(self.network, image)

    def first_filters(self) -> np.ndarray:
        """Weights of the first convolution, (filters, rows, columns, channels)."""
        return architecture.first_filters(self.network)

    def feature_maps(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """What each convolution makes of an image, (rows, columns, maps), by the layer's name."""
        return architecture.feature_maps(self.network, image)

    def load(self, folder: Path) -> bool:
        """Take the weights of `model.pt`; whether there was one."""
        if not (folder / FILE).is_file():
            return False
        self.network.load_state_dict(torch.load(folder / FILE, weights_only=True))
        return True

    def save(self, folder: Path) -> None:
        """Write `model.pt`: the weights by name, for `torch.load(..., weights_only=True)`."""
        torch.save({name: value.cpu() for name, value in self.network.state_dict().items()}, folder / FILE)


def repeatable(seed: int) -> None:
    """Make what follows in this process repeat, bit for bit, on the same machine with the same number of threads."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it matrix products on a GPU do not repeat
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False


def check_possible(train: TrainParams, device: str) -> None:
    """Refuse numbers of a recipe that this kind of model does not heed.

    Args:
        train: the numbers.
        device: kind of device, `cuda` or `cpu`.
    Raises:
        RecipeError: one of them asks for what there is not.
    """
    refused = {
        "train.head is set; it has no pretrained part to freeze: set train.head: null": train.head is not None,
        "train.jit is true; its step is not compiled: set train.jit: false": train.jit,
        f"train.devices is {train.devices}; it is trained on one: set train.devices: one": train.devices != "one",
        "train.precision is float16, which needs a GPU, and there is none: set bfloat16 or float32": (
            train.precision == "float16" and device != "cuda"
        ),
    }
    for words, wrong in refused.items():
        if wrong:
            raise RecipeError(f"The model is torch-cnn, and {words}.")
