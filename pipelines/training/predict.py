"""Asking a Keras model about images of any number."""

import keras
import numpy as np


def predict(model: keras.Model, images: np.ndarray, batch: int = 64) -> np.ndarray:
    """The model's outputs for images (or vectors) of any number, (n, outputs)."""
    size = min(batch, len(images))
    parts = []
    for start in range(0, len(images), size):
        part = np.asarray(images[start : start + size], dtype=np.float32)
        missing = size - len(part)  # one shape for all, so that the graph is traced once
        filled = np.concatenate([part, np.zeros((missing, *part.shape[1:]), np.float32)]) if missing else part
        parts.append(model.predict_on_batch(filled)[: len(part)])
    return np.concatenate(parts)
