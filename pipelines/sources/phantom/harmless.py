"""What healthy and ill alike may show, and what a careless reader takes for disease."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from pipelines.sources.phantom.bones import nodule
from pipelines.sources.phantom.canvas import REACH, Canvas, Field, bump, cloud, edge
from pipelines.sources.phantom.thorax import Lungs


@dataclass(frozen=True)
class Traces:
    """Old and harmless marks of one patient.

    Args:
        nodules: (x, y, radius) of calcified granulomas, shares of half a film.
        band: height of a plate of collapsed lung (side, down, tilt), or None.
        scar: strength of old scars at the apices, 0 to 1.
        coarse: unevenness of the lung's texture, 1 on average.
    """

    nodules: tuple[tuple[float, float, float], ...]
    band: tuple[int, float, float] | None
    scar: float
    coarse: float


@dataclass(frozen=True)
class Lead:
    """A wire over the chest, with its electrode: corner points (points, 2) in shares of half a film."""

    points: tuple[tuple[float, float], ...]


def collect(rng: np.random.Generator, age: float) -> Traces:
    """Marks that life has left by an age in years."""
    old = age / 100
    nodules = [_nodule(rng) for _ in range(int(rng.poisson(0.5 * old)))]
    band = (int(rng.choice([-1, 1])), rng.uniform(0.62, 0.92), rng.normal(0, 0.12)) if rng.random() < 0.12 else None
    scar = float(rng.random() < 0.25 * old) * rng.uniform(0.3, 1.0)
    return Traces(tuple(nodules), band, scar, float(rng.lognormal(0, 0.2)))


def _nodule(rng: np.random.Generator) -> tuple[float, float, float]:
    return float(rng.choice([-1, 1])) * rng.uniform(0.2, 0.55), rng.uniform(-0.5, 0.3), rng.uniform(0.010, 0.022)


def marks(canvas: Canvas, lungs: Lungs, traces: Traces) -> Field:
    """Nodules, scars and collapsed plates, cm."""
    seen = np.zeros((canvas.pixels, canvas.pixels), np.float32)
    for x, y, radius in traces.nodules:
        seen += nodule(canvas, x, y, radius)
    if traces.band:
        side, down, tilt = traces.band
        line = bump(lungs.down - down - tilt * (lungs.across - 0.5), 0.014)
        seen += 1.3 * line * bump(lungs.across - 0.5, 0.22) * (canvas.x * side > 0)
    if traces.scar:
        seen += 1.6 * traces.scar * edge(0.14 - lungs.down, 0.12) * lungs.inside
    return seen


def texture(lungs: Lungs, coarse: float, rng: np.random.Generator) -> Field:
    """Unevenness of the lung by vessels too fine to be drawn one by one, as a share of its air."""
    shape = lungs.air.shape
    fine, middling = cloud(rng, shape, 75), cloud(rng, shape, 34)
    return np.float32(coarse) * (0.014 * fine + 0.014 * middling + 0.010 * cloud(rng, shape, 9))


def wire(rng: np.random.Generator) -> Lead:
    """A lead from a shoulder or the flank to a place on the chest."""
    x, y = float(rng.choice([-1, 1])) * rng.uniform(0.15, 0.6), rng.uniform(-0.45, 0.35)
    start = (float(np.sign(x)) * rng.uniform(0.4, 1.1), float(rng.choice([-1.1, 1.1])))
    bend = (0.5 * (x + start[0]) + rng.normal(0, 0.1), 0.5 * (y + start[1]) + rng.normal(0, 0.1))
    return Lead(_curve(start, bend, (x, y)))


def _curve(
    start: tuple[float, float], bend: tuple[float, float], end: tuple[float, float]
) -> tuple[tuple[float, float], ...]:
    steps = np.linspace(0, 1, 12)[:, None]
    points = (1 - steps) ** 2 * np.array(start) + 2 * steps * (1 - steps) * np.array(bend) + steps**2 * np.array(end)
    return tuple((float(x), float(y)) for x, y in points)


def metal(canvas: Canvas, leads: tuple[Lead, ...]) -> Field:
    """Wires and electrodes, in centimetres of soft tissue."""
    side = 2 * canvas.pixels
    picture = Image.new("F", (side, side))
    pen = ImageDraw.Draw(picture)
    scale = side / (2 * REACH)
    for lead in leads:
        points = [((x + REACH) * scale, (y + REACH) * scale) for x, y in lead.points]
        pen.line(points, fill=3.0, width=max(1, round(0.009 * scale)))
        (x, y), radius = points[-1], 0.022 * scale
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=2.2)
    return np.asarray(picture.reduce(2))
