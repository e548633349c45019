"""What the pixels of an image are like: a few numbers and a thumbnail, by which an image is judged and compared without
being opened again, in a data set and in the service alike.

All are measured on the picture reduced, by whole factors, until its shorter side has fewer than 256 pixels, so that
they hardly depend on resolution and cost little.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops

from pipelines.images import to_eight_bit

MEASURED_SIDE = 128
THUMBNAIL = 16
HASHED = 32
FRAME = 20  # the border is one twentieth of each side


@dataclass(frozen=True)
class Statistics:
    """Of one image.

    Args:
        mean, std: of the grey levels, 0 to 255.
        dark, bright: shares of pixels at or beside the lower and the upper end (0 to 1 and 254 to 255).
        border: mean grey level of the outermost twentieth on all sides.
        colour: mean difference between the largest and smallest of R, G and B, 0 to 255; 0 for a grey picture.
        thumbnail: grey levels of the picture at 16 x 16, as 256 bytes.
    """

    mean: float
    std: float
    dark: float
    bright: float
    border: float
    colour: float
    thumbnail: bytes


def measure(picture: Image.Image) -> tuple[Statistics, np.ndarray]:
    """Statistics of a picture, and the (32, 32) grey levels that `pipelines.phash` makes its perceptual hash of."""
    reduced = _reduced(picture)
    grey = reduced.convert("L")
    small = np.asarray(grey.resize((HASHED, HASHED), Image.Resampling.LANCZOS))
    return _statistics(grey, reduced), small


def _reduced(picture: Image.Image) -> Image.Image:
    eight = to_eight_bit(picture)
    factor = min(eight.size) // MEASURED_SIDE
    return eight.reduce(factor) if factor > 1 else eight


def _statistics(grey: Image.Image, picture: Image.Image) -> Statistics:
    counts = np.asarray(grey.histogram(), dtype=np.float64) / (grey.width * grey.height)
    levels = np.arange(256)
    mean = float(counts @ levels)
    return Statistics(
        mean=mean,
        std=float(np.sqrt(counts @ (levels - mean) ** 2)),
        dark=float(counts[:2].sum()),
        bright=float(counts[254:].sum()),
        border=_border(grey),
        colour=_colour(picture),
        thumbnail=grey.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX).tobytes(),
    )


def _border(grey: Image.Image) -> float:
    levels = np.asarray(grey)
    rows, columns = max(grey.height // FRAME, 1), max(grey.width // FRAME, 1)
    middle = levels[rows:-rows]
    edges = (levels[:rows], levels[-rows:], middle[:, :columns], middle[:, -columns:])
    return float(sum(edge.sum(dtype=np.int64) for edge in edges) / max(sum(edge.size for edge in edges), 1))


def _colour(picture: Image.Image) -> float:
    if picture.mode == "L":
        return 0.0
    red, green, blue = picture.convert("RGB").split()
    highest = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    lowest = ImageChops.darker(ImageChops.darker(red, green), blue)
    counts = ImageChops.subtract(highest, lowest).histogram()
    return float(np.dot(counts, np.arange(256)) / (picture.width * picture.height))
