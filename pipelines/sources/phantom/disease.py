"""Pneumonia: lung filled with fluid, as a share of the air that it drives out, with its outline known.

Places are given in the lung's own frame, so that a shadow stays at its place when the breath moves the lung.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.ndimage import gaussian_filter

from pipelines.sources.phantom.canvas import Canvas, Field, bump, cloud, edge
from pipelines.sources.phantom.thorax import Lungs

Pattern = Literal["none", "lobar", "patchy", "interstitial"]
PATTERNS: tuple[Pattern, ...] = ("lobar", "patchy", "interstitial")
VISIBLE = 0.12  # share of lost air from which a reader would outline the shadow


@dataclass(frozen=True)
class Focus:
    """One shadow: side -1 (right lung) or 1, place and radii in the lung's frame, share of air lost at its middle."""

    side: int
    across: float
    down: float
    radius_across: float
    radius_down: float
    loss: float


@dataclass(frozen=True)
class Lobe:
    """A lobe between two heights of the lung; a fissure is a sharp border, its tilt in the lung's frame.

    Args:
        top, bottom: the lobe's borders; `top_sharp` and `bottom_sharp` say whether they are fissures.
    """

    side: int
    top: float
    bottom: float
    top_sharp: bool
    bottom_sharp: bool
    tilt: float
    across: float


LOBES = (
    Lobe(-1, -0.20, 0.52, False, True, -0.06, 0.55),
    Lobe(-1, 0.52, 0.95, True, False, -0.06, 0.30),
    Lobe(-1, 0.62, 1.20, False, True, 0.10, 0.60),
    Lobe(1, -0.20, 0.48, False, False, 0.00, 0.50),
    Lobe(1, 0.48, 0.95, False, False, 0.10, 0.30),
    Lobe(1, 0.60, 1.20, False, True, 0.10, 0.55),
)


@dataclass(frozen=True)
class Disease:
    """What a patient suffers from.

    Args:
        severity: 0 hardly visible to 1 obvious.
        lobe: of a lobar pneumonia; `foci` of a patchy one.
        grain: seed of the texture, which stays the same from film to film.
    """

    pattern: Pattern
    severity: float
    lobe: Lobe | None
    foci: tuple[Focus, ...]
    grain: int


HEALTHY = Disease("none", 0.0, None, (), 0)


def fall_ill(rng: np.random.Generator) -> Disease:
    """A pneumonia at random: pattern, severity and place."""
    pattern = PATTERNS[int(rng.choice(len(PATTERNS), p=[0.36, 0.38, 0.26]))]
    severity = float(rng.beta(1.6, 1.2))
    lobe = LOBES[int(rng.integers(len(LOBES)))] if pattern == "lobar" else None
    foci = _foci(rng, severity) if pattern == "patchy" else ()
    return Disease(pattern, severity, lobe, foci, int(rng.integers(2**31)))


def _foci(rng: np.random.Generator, severity: float) -> tuple[Focus, ...]:
    """Some fuzzy shadows in one lung or in both."""
    sides = [int(rng.choice([-1, 1]))] if rng.random() < 0.55 else [-1, 1]
    count = 2 + int(rng.integers(0, 2 + round(3 * severity)))
    return tuple(_focus(rng, sides[k % len(sides)], severity) for k in range(count))


def _focus(rng: np.random.Generator, side: int, severity: float) -> Focus:
    radius = rng.uniform(0.12, 0.20) * (0.8 + 0.4 * severity)
    return Focus(side, rng.uniform(0.15, 0.85), rng.uniform(0.25, 0.9), 1.4 * radius, radius, rng.uniform(0.8, 1.15))


def lost_air(canvas: Canvas, lungs: Lungs, disease: Disease, severity: float) -> Field:
    """Share of the lung's air replaced by fluid, in [0, 0.9], (n, n); 0 everywhere in health.

    Args:
        severity: on this film, which may lie a little beside the patient's.
    """
    if disease.pattern == "none":
        return np.zeros((canvas.pixels, canvas.pixels), np.float32)
    rng = np.random.default_rng(disease.grain)
    draw = {"lobar": _lobar, "patchy": _patchy, "interstitial": _interstitial}[disease.pattern]
    return np.clip(draw(canvas, lungs, disease, rng), 0, 1) * np.float32(0.48 + 0.40 * severity)


def outline(lungs: Lungs, lost: Field) -> np.ndarray:
    """Where the shadow is visible, within the lungs, bool (n, n)."""
    smooth = gaussian_filter(lost, 0.018 * lost.shape[0], truncate=2)
    return lungs.inside & (smooth > min(VISIBLE, 0.5 * float(smooth[lungs.inside].max(initial=0.0))))


def _lobar(canvas: Canvas, lungs: Lungs, disease: Disease, rng: np.random.Generator) -> Field:
    """A lobe that is white up to its fissure, with the airways left dark in it."""
    lobe = disease.lobe
    assert lobe is not None
    place = lungs.down + lobe.tilt * (lungs.across - 0.5) + 0.03 * cloud(rng, lungs.down.shape, 14)
    place = place + 0.02 * np.square(2 * lungs.across - 1)
    top = edge(place - lobe.top, 0.03 if lobe.top_sharp else 0.35)
    bottom = edge(lobe.bottom - place, 0.03 if lobe.bottom_sharp else 0.35)
    middle = np.minimum(1.25 * bump(lungs.across - lobe.across, 0.45), 1.1)
    uneven = 1 + 0.18 * cloud(rng, lungs.down.shape, 16)
    airways = 1 - 0.3 * bump(cloud(rng, lungs.down.shape, 22), 0.18)
    return _of_side(canvas, lobe.side) * top * bottom * middle * uneven * airways


def _patchy(canvas: Canvas, lungs: Lungs, disease: Disease, rng: np.random.Generator) -> Field:
    """Fuzzy shadows with ragged borders that run into each other."""
    ragged = 0.35 * cloud(rng, lungs.down.shape, 13) + 0.25 * cloud(rng, lungs.down.shape, 30)
    clear = np.ones_like(lungs.air)
    for focus in disease.foci:
        across = (lungs.across - focus.across) / focus.radius_across
        down = (lungs.down - focus.down) / focus.radius_down
        distance = np.sqrt(across * across + down * down)
        spot = edge(1.05 + 0.55 * ragged - distance, 1.1)
        clear *= 1 - np.clip(focus.loss * spot, 0, 0.95) * _of_side(canvas, focus.side)
    return 1 - clear


def _interstitial(canvas: Canvas, lungs: Lungs, disease: Disease, rng: np.random.Generator) -> Field:
    """A net of fine lines in a thin haze, in both lungs, more of it below."""
    shape = lungs.down.shape
    net = sum(bump(cloud(rng, shape, cells), 0.25) for cells in (38, 52))
    tilt = rng.uniform(-0.35, 0.35)
    low = edge(lungs.down - 0.45 + tilt * np.sign(canvas.x) * 0.5, 0.9)
    patches = np.clip(0.75 + 0.45 * cloud(rng, shape, 7), 0.1, 1.4)
    return (0.38 * net + 0.42) * low * patches


def _of_side(canvas: Canvas, side: int) -> Field:
    return (canvas.x * side > 0).astype(np.float32)
