"""The frozen phase: what the unchanging layers say of each image is computed once and kept, view by view."""

from pathlib import Path

import keras
import numpy as np

from pipelines.export.explain import vector_layers
from pipelines.recipe import AugmentParams
from pipelines.stage import fresh_file
from pipelines.training.augment import Augment
from pipelines.training.predict import predict

BLOCK = 1024  # images in memory


def head_model(network: keras.Model) -> keras.Model:
    """The layers behind pooling as a model of its own, which shares their weights; (n, features) to the probability."""
    vectors = vector_layers(network)[0].output
    return keras.Model(vectors, network.output, name="head")


class FrozenFeatures:
    """Vectors of all images under the frozen layers, kept in files.

    Args:
        network: the whole model.
        augment: how the views are changed at random.
        folder: where the files lie.
        key: of the run; files of another one are removed.
    """

    def __init__(self, network: keras.Model, augment: AugmentParams, folder: Path, key: str) -> None:
        self.network, self.augment, self.folder, self.key = network, augment, folder, key[:16]
        folder.mkdir(parents=True, exist_ok=True)
        for file in folder.glob("features-*.npy"):
            if self.key not in file.name:
                file.unlink()

    def plain(self, images: np.ndarray, name: str) -> np.ndarray:
        """Vectors of the images as they are, (n, features) float32, memory-mapped."""
        return self._kept(images, name, None)

    def view(self, images: np.ndarray, name: str, seed: int) -> np.ndarray:
        """Vectors of one augmented view of the images; the seed decides which."""
        return self._kept(images, f"{name}-{seed}", seed)

    def remove(self) -> None:
        """Remove the files."""
        for file in self.folder.glob("features-*.npy"):
            file.unlink()

    def _kept(self, images: np.ndarray, name: str, seed: int | None) -> np.ndarray:
        file = self.folder / f"features-{self.key}-{name}.npy"
        if not file.is_file():
            self._compute(images, file, seed)
        return np.load(file, mmap_mode="r")

    def _compute(self, images: np.ndarray, file: Path, seed: int | None) -> None:
        model = self._extractor(seed)
        with fresh_file(file) as beside:
            shape = (len(images), *model.output.shape[1:])
            written = np.lib.format.open_memmap(beside, "w+", dtype=np.float32, shape=shape)
            for start in range(0, len(images), BLOCK):
                written[start : start + BLOCK] = predict(model, images[start : start + BLOCK])
            written.flush()

    def _extractor(self, seed: int | None) -> keras.Model:
        frozen = keras.Model(self.network.input, vector_layers(self.network)[0].output)
        start = keras.layers.Input(frozen.input.shape[1:], dtype="float32")
        shown = start if seed is None else Augment(self.augment, seed, always=True)(start)
        return keras.Model(start, frozen(shown, training=False))
