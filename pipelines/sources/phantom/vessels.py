"""The vascular tree of the lungs: it leaves the hila, forks and thins out towards the chest wall."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pipelines.sources.phantom.canvas import CENTIMETRES, REACH, Canvas, Field

Floats = NDArray[np.float64]

FORKS = 4
DENSE = 3.0  # thickness in calibres: what is drawn once stands for vessels that lie behind one another
FINER = 2  # lines are drawn on a finer grid, so that thin vessels keep their weight
STEMS = (-1.35, -0.95, -0.45, 0.0, 0.40, 0.80, 1.10, 1.35)  # radians, downwards from the horizontal


@dataclass(frozen=True)
class Tree:
    """Vessels of both lungs, each a bent line: (lines, 6) of x0, y0, x1, y1, x2, y2 and (lines,) of calibre."""

    lines: Floats
    calibres: Floats


def branch(rng: np.random.Generator, prominence: float) -> Tree:
    """Grow the vessels of one patient.

    Args:
        prominence: of the vessels, 1 on average.
    """
    sides = [_lung(rng, side, prominence) for side in (-1.0, 1.0)]
    return Tree(np.concatenate([s.lines for s in sides]), np.concatenate([s.calibres for s in sides]))


def _lung(rng: np.random.Generator, side: float, prominence: float) -> Tree:
    angles = np.repeat(STEMS, 2) + rng.normal(0, 0.2, 2 * len(STEMS))
    root = [side * 0.155, -0.08 - 0.03 * (side > 0)]
    starts = root + rng.normal(0, 0.035, (angles.size, 2))
    calibres = (0.019 + 0.007 * (angles > 0.3)) * prominence * rng.uniform(0.7, 1.1, angles.size)
    lengths = rng.uniform(0.09, 0.16, angles.size)
    lines, widths = [], []
    for _ in range(FORKS):
        bends = angles + rng.normal(0, 0.32, angles.size)
        middles = starts + _steps(0.5 * lengths, angles, side)
        ends = middles + _steps(0.5 * lengths, bends, side)
        lines.append(np.hstack([starts, middles, ends]))
        widths.append(calibres)
        starts, angles, calibres, lengths = _fork(rng, ends, bends, calibres, lengths)
    return Tree(np.concatenate(lines), np.concatenate(widths))


def _steps(lengths: Floats, angles: Floats, side: float) -> Floats:
    return np.stack([side * lengths * np.cos(angles), lengths * np.sin(angles)], axis=1)


def _fork(
    rng: np.random.Generator, ends: Floats, angles: Floats, calibres: Floats, lengths: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Each end becomes two: a wide branch that goes on, a thin one that turns off."""
    turn = rng.uniform(0.3, 0.9, angles.size) * rng.choice([-1.0, 1.0], angles.size)
    both = np.concatenate([angles - 0.3 * turn, angles + turn])
    thinner = np.concatenate([0.78 * calibres, 0.58 * calibres])
    shorter = np.tile(lengths, 2) * rng.uniform(0.65, 1.0, both.size)
    return np.tile(ends, (2, 1)), both, thinner, shorter


def thickness(canvas: Canvas, tree: Tree, stretch: float) -> Field:
    """Thickness of blood along each ray, cm.

    Args:
        stretch: how far the breath drew the vessels out downwards, 1 on average.
    """
    side = FINER * canvas.pixels
    picture = Image.new("F", (side, side))
    pen = ImageDraw.Draw(picture)
    scale = side / (2 * REACH)
    pixels = (tree.lines * np.tile([1, stretch], 3) + REACH) * scale
    order = np.argsort(tree.calibres)  # the widest last, so that it is not painted over
    widths = tree.calibres[order] * scale
    blood = DENSE * CENTIMETRES * tree.calibres[order] * np.minimum(widths, 1)
    strokes = zip(pixels[order].tolist(), blood.tolist(), widths.round().clip(1).astype(int).tolist(), strict=True)
    for line, depth, width in strokes:
        pen.line(line, fill=depth, width=width)
    return np.asarray(picture.reduce(FINER))
