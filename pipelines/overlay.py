"""A film with its heatmap on it: where the model saw reasons for its answer."""

import numpy as np
from PIL import Image

# The upper half of `inferno`: dark red to pale yellow, brighter with more heat, so that it is read without colour too.
HEATS = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
COLOURS = np.array([[120, 28, 109], [188, 55, 84], [237, 105, 37], [251, 180, 26], [252, 255, 164]], dtype=np.float32)
STRONGEST = 0.65


def overlay(film: np.ndarray, heat: np.ndarray, full: float) -> np.ndarray:
    """Lay a heatmap on its film; where there is no heat the film stays as it is.

    Args:
        film: (height, width, channels) uint8, grey or RGB.
        heat: (rows, columns), not negative; cells share the film evenly.
        full: heat that is drawn at full strength; where the film has more, that is full strength.
    Returns:
        (height, width, 3) uint8.
    """
    strength = spread(heat, film.shape[:2]) / max(full, float(heat.max()), 1e-12)
    strength = np.clip(strength, 0, 1)[..., None]
    colour = np.stack([np.interp(strength[..., 0], HEATS, COLOURS[:, channel]) for channel in range(3)], axis=-1)
    opacity = STRONGEST * np.sqrt(strength)
    return np.round(as_rgb(film) * (1 - opacity) + colour * opacity).astype(np.uint8)


def spread(heat: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A heatmap (rows, columns) brought to (height, width) by bicubic interpolation, not negative."""
    height, width = shape
    picture = Image.fromarray(np.ascontiguousarray(heat, dtype=np.float32))
    return np.maximum(np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC)), 0)


def as_rgb(film: np.ndarray) -> np.ndarray:
    """A film (height, width, channels) as (height, width, 3)."""
    return np.repeat(film, 3, axis=2) if film.shape[2] == 1 else film
