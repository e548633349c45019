"""From a chest to a film: rays are weakened along their way, scattered, measured and shown in greys."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter

from pipelines.sources.phantom.canvas import Field, canvas, enlarge
from pipelines.sources.phantom.chest import chest, placed
from pipelines.sources.phantom.hospital import Hospital
from pipelines.sources.phantom.patient import Patient, Visit

ATTENUATION = 0.19  # per centimetre of soft tissue, at chest energies
COARSE = 8  # scatter is so smooth that a grid so many times coarser holds it
AIR = 0.4  # signal below which nothing was in the way of the rays


@dataclass(frozen=True)
class Picture:
    """A film in 8-bit greys and where its pneumonia is seen, both (size, size)."""

    grey: NDArray[np.uint8]
    shadow: NDArray[np.bool_]


def shoot(patient: Patient, visit: Visit, hospital: Hospital, size: int, rng: np.random.Generator) -> Picture:
    """One film of a patient, `size` pixels a side."""
    body = chest(canvas(size), patient, visit, rng)
    loss = signal(placed(body.thickness, visit.pose, size), hospital.scatter)
    grey = finish(expose(develop(loss, hospital, rng), hospital, rng), hospital, rng)
    return Picture(grey, placed(body.shadow.astype(np.float32), visit.pose, size) > 0.5)


def signal(thickness: Field, scatter: float) -> Field:
    """Logarithm of what the rays lost, scattered rays included; near 0 beside the patient.

    Args:
        thickness: centimetres of soft tissue, (n, n).
        scatter: scattered rays as a share of those that arrive nearby.
    """
    primary = np.exp(np.float32(-ATTENUATION) * thickness)
    coarse = np.asarray(Image.fromarray(np.minimum(primary, 0.3)).reduce(COARSE))
    spread = enlarge(gaussian_filter(coarse, 0.08 * coarse.shape[0], truncate=2.5), primary.shape)
    return -np.log(primary + np.float32(scatter) * np.maximum(spread, 0))


def develop(loss: Field, hospital: Hospital, rng: np.random.Generator) -> Field:
    """Greys in [0, 1] as an automatic exposure control and the film curve of a hospital give them.

    Window and brightness follow the film's own histogram towards targets that differ from film to film, so
    that neither tells how much of the lung is white.
    """
    sample = loss[::3, ::3]
    body = sample[sample > AIR]
    low, high = map(float, np.percentile(body, [rng.uniform(0.5, 4), rng.uniform(95, 99.5)]))
    share = np.clip((loss - low) / (high - low), 0.0, 1.1)
    middle = float(np.clip((float(body.mean()) - low) / (high - low), 0.2, 0.8))
    grey = share ** (math.log(rng.normal(0.54, 0.05)) / math.log(middle))
    steep = hospital.contrast * rng.lognormal(0, 0.12)
    curved = 0.5 + 0.5 * np.tanh(steep * (2 * grey - 1)) / math.tanh(steep)
    return hospital.toe + (0.95 - hospital.toe) * curved


def expose(grey: Field, hospital: Hospital, rng: np.random.Generator) -> Field:
    """Blur of the detector, quantum noise (more where fewer rays arrive) and edge enhancement."""
    side = grey.shape[0]
    blurred = gaussian_filter(grey, hospital.blur * side / 1000)
    noise = gaussian_filter(rng.standard_normal(grey.shape, dtype=np.float32), 0.5, truncate=2)
    strength = hospital.noise * rng.lognormal(0, 0.2)
    noisy = blurred + 1.7 * strength * (0.5 + grey) * noise
    return noisy + hospital.crisp * (noisy - gaussian_filter(noisy, 0.012 * side, truncate=2))


def finish(grey: Field, hospital: Hospital, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Collimated border and side marker, as 8-bit greys, (size, size)."""
    side = grey.shape[0]
    bordered = grey * _opening(side, hospital.border, rng)
    picture = Image.fromarray(np.clip(255 * bordered + 0.5, 0, 255).astype(np.uint8))
    _mark(picture, hospital, rng)
    return np.asarray(picture)


def _opening(side: int, border: float, rng: np.random.Generator) -> Field:
    """1 where the collimator let rays through; each of the four blades stands at its own place."""
    blades = rng.uniform(0, border, 4) * side
    line = np.arange(side, dtype=np.float32)
    down = np.clip(np.minimum(line - blades[0], side - 1 - blades[1] - line) + 1, 0.02, 1)
    across = np.clip(np.minimum(line - blades[2], side - 1 - blades[3] - line) + 1, 0.02, 1)
    return (down[:, None] * across[None, :]).astype(np.float32)


def _mark(picture: Image.Image, hospital: Hospital, rng: np.random.Generator) -> None:
    """Lay the lead letter on the film where technicians of the hospital use to lay it."""
    side = picture.width
    x, y = (side * (place + rng.normal(0, 0.012)) for place in hospital.marker_at)
    height, pen, white = hospital.marker_height * side, ImageDraw.Draw(picture), int(rng.integers(215, 256))
    pen.text((x, y), hospital.marker, fill=white, font=_font(round(height)), anchor="mm")
    if hospital.framed:
        pen.ellipse((x - height, y - height, x + height, y + height), outline=white)


@lru_cache(maxsize=8)
def _font(height: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(max(4, height))
