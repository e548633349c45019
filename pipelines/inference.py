"""Running the released file, `model.onnx`: the same code measures a model and serves it.

The graph takes `image`, (n, height, width, channels) uint8, and gives
`probability` (n, classes), `heatmap` (n, rows, columns; contribution to the logit, not negative), and
`distance` (n,), how far the images lie from those of training (see `pipelines.export.layout`).
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from pipelines.card import Card, read_card, sha256
from pipelines.errors import ReleaseError

OUTPUTS = ("probability", "heatmap", "distance")
Device = Literal["cpu", "cuda"]
PROVIDERS: dict[Device, str] = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
NO_CUDA = "Install onnxruntime-gpu and CUDA in place of onnxruntime, or serve on the cpu."


@dataclass(frozen=True)
class Answers:
    """What the model says of n images: probability (n, classes), heatmap (n, rows, columns), distance (n,)."""

    probability: np.ndarray
    heatmap: np.ndarray
    distance: np.ndarray

    def row(self, number: int) -> "Answers":
        """What it says of one image, as answers of one."""
        return Answers(*(getattr(self, name)[number : number + 1] for name in OUTPUTS))


class Graph:
    """A `model.onnx`, ready to answer."""

    def __init__(self, path: Path, threads: int = 0, device: Device = "cpu") -> None:
        """Open a model file.

        Args:
            threads: processor threads of one call; 0 means all cores.
            device: `cuda` is ONNX Runtime's CUDA provider, of its GPU build.
        Raises:
            ReleaseError: there is no such file, or no such device.
        """
        if not path.is_file():
            raise ReleaseError(f"There is no {path}. Train the model again.")
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # heeded only if set before the library is loaded
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        if (provider := PROVIDERS[device]) not in onnxruntime.get_available_providers():
            raise ReleaseError(f"ONNX Runtime {onnxruntime.__version__} has no {provider}. {NO_CUDA}")
        if device == "cuda":
            onnxruntime.preload_dlls()  # CUDA's libraries, where they came as packages
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=list({provider: None, PROVIDERS["cpu"]: None})
        )
        if (used := self._session.get_providers()[0]) != provider:
            raise ReleaseError(f"ONNX Runtime runs on {used} in place of {provider}. {NO_CUDA}")

    def answer(self, images: np.ndarray) -> Answers:
        """Probabilities, heatmaps and distances of prepared images, (n, height, width, channels) uint8."""
        return Answers(*self._session.run(OUTPUTS, {"image": images}))

    def answer_in_batches(self, images: np.ndarray, batch: int = 32) -> Iterator[Answers]:
        """The same for arrays of any length, a batch at a time."""
        for start in range(0, len(images), batch):
            yield self.answer(np.ascontiguousarray(images[start : start + batch]))

    def answer_all(self, images: np.ndarray) -> Answers:
        """The same for arrays of any length, at once."""
        parts = list(self.answer_in_batches(images))
        return Answers(*(np.concatenate([getattr(part, name) for part in parts]) for name in OUTPUTS))


class Classifier(Graph):
    """A released model: the file with its card."""

    def __init__(self, folder: Path, threads: int = 0, device: Device = "cpu") -> None:
        """Open `model.onnx` and `card.json` of a folder.

        Raises:
            ReleaseError: a file is missing, the model file is not the one that the card describes, or there is no such
                device.
        """
        self.card: Card = read_card(folder / "card.json")
        path = folder / "model.onnx"
        if path.is_file() and (found := sha256(path)) != self.card.sha256:
            raise ReleaseError(
                f"{path} has SHA-256 {found[:12]}, its card says {self.card.sha256[:12]}. "
                "The file was changed: take the released pair, or train again."
            )
        super().__init__(path, threads, device)
