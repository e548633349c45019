"""The plane on which a chest is drawn, and the few soft shapes from which everything is made.

Lengths are shares of half a film: x runs from -1 (the patient's right) to 1, y from -1 (top) to 1. The canvas reaches
beyond the film, so that a patient who stands a little askew still fills it.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Field = NDArray[np.floating]  # in fact float32 throughout, which halves the time

REACH = 1.14  # half the side of the canvas
CENTIMETRES = 18.0  # half a film


@dataclass(frozen=True)
class Canvas:
    """Coordinates of the pixels of a square canvas.

    Args:
        x: (1, n) float32, left to right.
        y: (n, 1) float32, top to bottom.
        side: mirrored x, positive away from the middle, (1, n).
    """

    x: Field
    y: Field
    side: Field

    @property
    def pixels(self) -> int:
        """Side of the canvas in pixels."""
        return self.x.size

    def near(self, place: float, reach: float) -> slice:
        """Rows (or columns) of the canvas within `reach` of a place."""
        low, high = ((place + d + REACH) / (2 * REACH) * self.pixels for d in (-reach, reach))
        return slice(max(0, int(low)), max(0, int(high) + 2))


def canvas(size: int) -> Canvas:
    """The canvas for a film of `size` pixels a side."""
    line = np.linspace(-REACH, REACH, round(REACH * size), dtype=np.float32)
    return Canvas(line[None, :], line[:, None], np.abs(line[None, :]))


def rounded(distance: Field, width: float) -> Field:
    """Quarter of a circle: 0 outside (negative distance), 1 from `width` inwards; how thick a round body appears."""
    share = np.clip(distance / np.float32(width), 0, 1)
    return np.sqrt(share * (2 - share))


def edge(distance: Field, width: float) -> Field:
    """Smooth step from 0 to 1 over `width`, centred where the distance is 0."""
    share = np.clip(distance / np.float32(width) + np.float32(0.5), 0, 1)
    return share * share * (3 - 2 * share)


def bump(distance: Field, width: float) -> Field:
    """Gaussian of height 1 and standard deviation `width`."""
    return np.exp(-0.5 * np.square(distance / np.float32(width)))


def ball(canvas: Canvas, x: float, y: float, radius_x: float, radius_y: float, tilt: float = 0.0) -> Field:
    """Relative thickness of an ellipsoid, 1 in its middle and 0 outside; tilt in radians, clockwise."""
    field = np.zeros((canvas.pixels, canvas.pixels), np.float32)
    reach = max(radius_x, radius_y)
    rows, columns = canvas.near(y, reach), canvas.near(x, reach)
    across, down = canvas.x[:, columns] - x, canvas.y[rows] - y
    along = (across * math.cos(tilt) + down * math.sin(tilt)) / radius_x
    beside = (down * math.cos(tilt) - across * math.sin(tilt)) / radius_y
    field[rows, columns] = np.sqrt(np.clip(1 - along * along - beside * beside, 0, None))
    return field


def enlarge(grid: Field, shape: tuple[int, int]) -> Field:
    """A coarse grid as a smooth field of (height, width) pixels."""
    return np.asarray(Image.fromarray(grid).resize(shape[::-1], Image.Resampling.BICUBIC))


def cloud(rng: np.random.Generator, shape: tuple[int, int], cells: int) -> Field:
    """Smooth noise of about unit variance with `cells` cells along each side."""
    grid = rng.standard_normal((cells, cells), dtype=np.float32)
    return enlarge(grid, shape) * np.float32(1.3)
