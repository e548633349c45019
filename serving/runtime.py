"""From the bytes of a film to an answer, or to the film with its heatmap. Nothing of HTTP, nothing of training."""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipelines.card import Card
from pipelines.guard import judge
from pipelines.images import MOST_PIXELS, SCALABLE, enough, prepare, read, to_eight_bit
from pipelines.inference import Answers, Classifier, Device
from pipelines.notice import NOTICE
from pipelines.statistics import Statistics, measure
from serving.overlay import overlay, spread

MOST_OVERLAY_PIXELS = 20_000_000
FORMATS = ("JPEG", "PNG")  # and DICOM
Window = tuple[float, float]


@dataclass(frozen=True)
class Film:
    """A film as it came, ready for the model.

    Args:
        frame: what the model sees, (height, width, channels) uint8.
        statistics: of its grey levels.
        facts: `sha256` and `bytes` of the file; `width`, `height`, `mode` and `bits` of the picture.
        picture: all of it, where it was asked for.
        window: of a DICOM film, see `pipelines.greyscale.window`; else None.
    """

    frame: np.ndarray
    statistics: Statistics
    facts: dict[str, Any]
    picture: Image.Image | None = None
    window: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class Drawing:
    """How a film with its heatmap shall be drawn.

    Args:
        opacity: of the hottest places, in [0, 1].
        size: pixels of the longer side at most; None leaves the film as large as it is, up to 20 million pixels.
    """

    opacity: float
    size: int | None = None


class Predictor:
    """A released model that answers on films as they come: JPEG, PNG or DICOM, any size, any mode."""

    def __init__(self, folder: Path, threads: int = 0, device: Device = "cpu", most_pixels: int = MOST_PIXELS) -> None:
        """Open `model.onnx` and `card.json` of a folder.

        Args:
            threads: processor threads of one call; 0 means all cores.
            most_pixels: of a film.
        Raises:
            ReleaseError: a file is missing, the model file is not the one that the card describes, or there is no such
                device.
        """
        self._classifier = Classifier(folder, threads, device)
        self._most_pixels = most_pixels

    @property
    def card(self) -> Card:
        """The card of the model."""
        return self._classifier.card

    def read(self, content: bytes) -> Film:
        """Decode a film as far as the model needs it.

        Raises:
            ImageError: the bytes are no picture that can be read.
        """
        return self._film(content, self._decoded(content, enough(self.card.image)))

    def read_whole(self, content: bytes, window: Window | None = None) -> Film:
        """Decode a film with every pixel; only where the model sees another picture of it, it is decoded twice.

        Args:
            window: centre and width, to see a DICOM film through. The model sees it through its own.
        Raises:
            ImageError: the bytes are no picture that can be read.
        """
        whole = self._decoded(content, None, window)
        other = whole.format in SCALABLE or (window is not None and "window" in whole.info)
        return self._film(content, self._decoded(content, enough(self.card.image)) if other else whole, whole)

    def run(self, frames: np.ndarray) -> Answers:
        """What the model says of frames, (n, height, width, channels) uint8."""
        return self._classifier.answer(frames)

    def predict(self, content: bytes) -> dict[str, Any]:
        """The answer on one film, as the HTTP contract writes it.

        Raises:
            ImageError: the bytes are no picture that can be read.
        """
        film = self.read(content)
        return self.answer(film, self.run(film.frame[None]))

    def answer(self, film: Film, said: Answers) -> dict[str, Any]:
        """The answer on a film, as the HTTP contract writes it.

        Args:
            said: what the model says of this film, answers of one.
        """
        card, probabilities = self.card, said.probability[0]
        verdict = judge(card, probabilities, float(said.distance[0]), film.statistics)
        column = self._column(probabilities)
        shown = column if card.threshold is None else card.labels.positive_index
        return {
            "label": card.labels.names[column],
            "probability": float(probabilities[shown]),
            "probabilities": dict(zip(card.labels.names, map(float, probabilities), strict=True)),
            "threshold": card.threshold,
            "decision": verdict.decision,
            "familiarity": verdict.familiarity,
            "reason": verdict.reason,
            "model": {"recipe": card.recipe, "version": card.version, "sha256": card.sha256},
            "notice": NOTICE,
        }

    def draw(self, film: Film, said: Answers, drawing: Drawing) -> bytes:
        """The whole film in its own shape with the heatmap over it, as PNG.

        Args:
            film: with its picture.
            said: what the model says of this film, answers of one.
        """
        assert film.picture is not None
        drawn = _drawable(film.picture, drawing.size)
        heat = spread(self._strength(said.heatmap[0]), drawn.size, self.card.image)
        file = io.BytesIO()
        overlay(drawn, heat, drawing.opacity).save(file, "PNG", compress_level=1)
        return file.getvalue()

    def _decoded(self, content: bytes, at_least: int | None, window: Window | None = None) -> Image.Image:
        return read(content, None, at_least, self._most_pixels, window, FORMATS)

    def _film(self, content: bytes, seen: Image.Image, whole: Image.Image | None = None) -> Film:
        width, height = seen.info["stored"]
        facts = {
            "sha256": hashlib.sha256(content).hexdigest(),
            "bytes": len(content),
            "width": width,
            "height": height,
            "mode": seen.mode,
            "bits": seen.info["bits"],
        }
        window = None if whole is None else whole.info.get("window")
        return Film(prepare(seen, self.card.image), measure(seen)[0], facts, whole, window)

    def _strength(self, heat: np.ndarray) -> np.ndarray:
        """Heat as a share of full strength, so that a film with hardly any evidence shows hardly any heat."""
        full = max(self.card.heat_scale, float(heat.max()))
        return heat / full if full > 0 else np.zeros_like(heat)

    def _column(self, probabilities: np.ndarray) -> int:
        """Column of the label: with two classes the threshold tells them apart, with more the most probable one."""
        if self.card.threshold is None:
            return int(np.argmax(probabilities))
        positive = self.card.labels.positive_index
        return positive if probabilities[positive] >= self.card.threshold else 1 - positive


def _drawable(picture: Image.Image, longest: int | None) -> Image.Image:
    """The film in mode RGB, no larger than asked for and than can be drawn."""
    film = to_eight_bit(picture).convert("RGB")
    scale = min(1.0, (MOST_OVERLAY_PIXELS / (film.width * film.height)) ** 0.5)
    if longest is not None:
        scale = min(scale, longest / max(film.size))
    if scale == 1.0:
        return film
    width, height = (max(int(side * scale + 1e-6), 1) for side in film.size)
    return film.resize((width, height), reducing_gap=2.0)
