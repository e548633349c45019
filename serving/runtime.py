"""From the bytes of a film to an answer, or to the film with its heatmap. Nothing of HTTP, nothing of training."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipelines.card import Card
from pipelines.decision import decide, familiarity
from pipelines.errors import ImageError
from pipelines.images import load, load_with_film, to_eight_bit
from pipelines.inference import Classifier
from pipelines.notice import NOTICE
from serving.overlay import overlay, spread

MOST_OVERLAY_PIXELS = 20_000_000


class Predictor:
    """A released model that answers on films as they come: JPEG, PNG or DICOM, any size, any mode."""

    def __init__(self, folder: Path, threads: int = 0) -> None:
        """Open `model.onnx` and `card.json` of a folder.

        Args:
            threads: processor threads of one call; 0 means all cores.
        Raises:
            ReleaseError: a file is missing, or the model file is not the one that the card describes.
        """
        self._classifier = Classifier(folder, threads)

    @property
    def card(self) -> Card:
        """The card of the model."""
        return self._classifier.card

    def predict(self, film: bytes) -> dict[str, Any]:
        """The answer on one film, as the HTTP contract writes it.

        Raises:
            ImageError: the bytes are no picture that can be read.
        """
        answers = self._classifier.answer(self._prepared(film)[None])
        return self._answer(answers.probability[0], float(answers.distance[0]))

    def predict_each(self, films: Sequence[bytes]) -> list[dict[str, Any]]:
        """Answers on several films, in order; one that cannot be read has `error` instead of an answer."""
        return [self._answer_or_error(film) for film in films]

    def explain(self, film: bytes, opacity: float) -> bytes:
        """The whole film in its own shape with the heatmap over it, as PNG.

        A film of more than 20 million pixels is drawn smaller.

        Args:
            opacity: of the hottest places, in [0, 1].
        Raises:
            ImageError: the bytes are no picture that can be read.
        """
        frame, picture = load_with_film(film, self.card.image)
        heat = self._classifier.answer(frame[None]).heatmap[0]
        drawn = _drawable(picture)
        drawn = overlay(drawn, spread(self._strength(heat), drawn.size, self.card.image), opacity)
        file = io.BytesIO()
        drawn.save(file, "PNG", compress_level=1)
        return file.getvalue()

    def _prepared(self, film: bytes) -> np.ndarray:
        return load(film, self.card.image)

    def _answer_or_error(self, film: bytes) -> dict[str, Any]:
        try:
            return self.predict(film)
        except ImageError as error:
            return {"error": str(error)}

    def _strength(self, heat: np.ndarray) -> np.ndarray:
        """Heat as a share of full strength, so that a film with hardly any evidence shows hardly any heat."""
        full = max(self.card.heat_scale, float(heat.max()))
        return heat / full if full > 0 else np.zeros_like(heat)

    def _answer(self, probabilities: np.ndarray, distance: float) -> dict[str, Any]:
        card = self.card
        known = familiarity(distance, card.familiarity)
        column = self._column(probabilities)
        shown = column if card.threshold is None else card.labels.positive_index
        return {
            "label": card.labels.names[column],
            "probability": float(probabilities[shown]),
            "probabilities": dict(zip(card.labels.names, map(float, probabilities), strict=True)),
            "threshold": card.threshold,
            "decision": decide(card, probabilities, known),
            "familiarity": known,
            "model": {"recipe": card.recipe, "version": card.version, "sha256": card.sha256},
            "notice": NOTICE,
        }

    def _column(self, probabilities: np.ndarray) -> int:
        """Column of the label: with two classes the threshold tells them apart, with more the most probable one."""
        if self.card.threshold is None:
            return int(np.argmax(probabilities))
        positive = self.card.labels.positive_index
        return positive if probabilities[positive] >= self.card.threshold else 1 - positive


def _drawable(picture: Image.Image) -> Image.Image:
    film = to_eight_bit(picture).convert("RGB")
    excess = film.width * film.height / MOST_OVERLAY_PIXELS
    return film if excess <= 1 else film.resize((int(film.width / excess**0.5), int(film.height / excess**0.5)))
