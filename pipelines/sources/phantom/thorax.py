"""The soft parts of a chest as thickness maps in centimetres: body, lungs, heart, great vessels, airway, breasts."""

from dataclasses import dataclass

import numpy as np

from pipelines.sources.phantom.anatomy import Anatomy
from pipelines.sources.phantom.canvas import Canvas, Field, ball, bump, edge, rounded

LUNG_SHARE = 0.74  # of the body's depth is lung, where the lungs are deepest


@dataclass(frozen=True)
class Lungs:
    """Both lungs as a film shows them.

    Args:
        air: thickness of lung that X-rays cross, cm, (n, n).
        across: 0 at the mediastinum, 1 at the chest wall; beyond [0, 1] outside the lungs.
        down: 0 at the apex, 1 at the diaphragm.
        inside: where a lung is seen in front of or beside the heart, bool.
    """

    air: Field
    across: Field
    down: Field
    inside: np.ndarray


def wall(canvas: Canvas, body: Anatomy) -> Field:
    """Distance of the inner chest wall from the middle at each height, (n, 1)."""
    summit, widest = 0.47 * body.width, 0.22
    share = np.clip((canvas.y - body.apex) / (widest - body.apex), 0, 1)
    taper = 0.05 * np.clip(canvas.y - widest, 0, None)
    return np.float32(summit) + np.float32(body.width - summit) * (1 - (1 - share) ** 2.6) ** 0.62 - taper


def diaphragm(canvas: Canvas, body: Anatomy) -> Field:
    """Height of the diaphragm in each column, (1, n); the right dome (left in the film) is the higher one."""
    top = body.dome + body.dome_step * edge(canvas.x, 0.1)
    offset = canvas.side - 0.50 * body.width
    outer = 0.24 * np.square(np.clip(offset / (0.5 * body.width), 0, None))
    inner = 0.07 * np.square(np.clip(-offset / (0.5 * body.width), 0, None))
    return top + outer + inner


def lungs(canvas: Canvas, body: Anatomy, centre: Field, filled: Field) -> Lungs:
    """The lungs around what fills the middle.

    Args:
        centre: sideways shift of the middle at each height, (n, 1).
        filled: thickness of heart and great vessels, cm, which displace lung.
    """
    side = np.abs(canvas.x - centre)
    lateral, floor = wall(canvas, body), diaphragm(canvas, body)
    medial = _medial(canvas, body, lateral)
    below = floor - canvas.y
    shape = rounded(lateral - side, 0.30) * rounded(side - medial, 0.13)
    shape *= rounded(canvas.y - np.float32(body.apex), 0.60) * _above_diaphragm(below)
    depth = LUNG_SHARE * body.depth * shape
    air = np.maximum(depth - filled, 0.22 * depth)
    across = (side - medial) / np.maximum(lateral - medial, 0.02)
    down = (canvas.y - body.apex) / (floor - body.apex)
    seen = (shape > 0.18) & (below > 0.012) & (air > 2.0)
    return Lungs(air, across, down, seen)


def _medial(canvas: Canvas, body: Anatomy, lateral: Field) -> Field:
    """Distance of the inner border of the lungs from the middle; at the apex it leans outwards."""
    share = np.clip((canvas.y - body.apex) / 0.30, 0, 1)
    inner = 0.42 * body.mediastinum
    summit = 0.47 * body.width
    return np.minimum(summit - (summit - inner) * np.sqrt(share * (2 - share)), lateral)


def _above_diaphragm(below: Field) -> Field:
    """Share of the lung's depth left at a distance above the dome; behind the dome a little lung reaches further."""
    return 0.88 * rounded(below, 0.07) + 0.12 * edge(below + 0.10, 0.22)


def middle(canvas: Canvas, body: Anatomy) -> Field:
    """Thickness of heart, aorta, pulmonary trunk and the rest of the mediastinum, cm."""
    chambers = _heart(canvas, body)
    reach = edge(canvas.y + 1.0, 0.5) * edge(body.dome + 0.1 - canvas.y, 0.3)
    pedicle = rounded(body.mediastinum * (0.85 + 0.35 * bump(canvas.y + 0.08, 0.2)) - canvas.side, 0.09) * reach
    arch = ball(canvas, 0.62 * body.mediastinum + 0.015, -0.30, body.aorta, body.aorta * 1.1)
    pulmonary = ball(canvas, 0.72 * body.mediastinum, -0.14, 0.085, 0.16, 0.0)
    descending = bump(canvas.x - 0.09, 0.035) * edge(canvas.y + 0.25, 0.2) * edge(0.5 - canvas.y, 0.4)
    roots = bump(canvas.side - 0.17, 0.05) * bump(canvas.y + 0.09 + 0.03 * np.sign(canvas.x), 0.085)
    return np.maximum.reduce(
        [10.0 * chambers, 8.0 * pedicle, 7.5 * arch, 6.5 * pulmonary, 2.2 * descending, 3.6 * roots]
    )


def _heart(canvas: Canvas, body: Anatomy) -> Field:
    """Relative thickness of the heart: left ventricle, and right atrium beside the spine."""
    size, base = body.heart, body.dome - 0.02
    left = ball(canvas, 0.36 * size, base - 0.60 * size, 1.02 * size, 0.74 * size, body.lean)
    right = ball(canvas, -0.18 * size, base - 0.66 * size, 0.50 * size, 0.72 * size)
    return np.maximum(left, 0.85 * right)


def airway(canvas: Canvas, body: Anatomy, centre: Field) -> Field:
    """Thickness of air in trachea and main bronchi, cm."""
    side, fork = canvas.x - centre, -0.20
    bore = 0.040 + 0.1 * (body.width - 0.66)
    tube = rounded(bore - np.abs(side), bore) * edge(fork - canvas.y, 0.06) * edge(canvas.y + 1.05, 0.2)
    spread = np.clip(canvas.y - fork, 0, 0.3)
    bronchi = rounded(0.026 - np.abs(np.abs(side) - 0.85 * spread) * 0.75, 0.026)
    return 2.6 * tube + 1.6 * bronchi * (spread > 0) * edge(0.13 - spread, 0.08)


def trunk(canvas: Canvas, body: Anatomy, shoulders: float) -> Field:
    """Thickness of the body with its arms, shoulders and neck, cm; 0 is air beside the patient."""
    flank = body.width + 0.06 + body.fat
    heights = [-1.2, -0.98, -0.88, -0.78, -0.68, -0.5, -0.3, -0.1, 0.15, 1.2]
    widths = [0.26, 0.29, 0.45, 0.85, 1.15, 1.30, 1.16, flank + 0.13, flank + 0.03, flank + 0.02]
    lift = 0.08 * (shoulders - 0.5)
    outline = np.interp(canvas.y[:, 0] + lift, heights, widths).astype(np.float32)[:, None]
    chest = rounded(outline - canvas.side, 0.55)
    slope = np.interp(canvas.y[:, 0], [-1.1, -0.75, -0.2, 1.1], [0.62, 0.76, 1.0, 1.05]).astype(np.float32)[:, None]
    arm = 7.5 * rounded(0.17 - np.abs(canvas.side - 1.19 - 0.05 * canvas.y), 0.17) * edge(canvas.y + 0.5, 0.2)
    lean = min(max((1.15 - 0.6 * body.fat - flank) / 0.2, 0.0), 1.0)  # arms lie within the film of the lean alone
    return np.maximum(body.depth * slope * chest, lean * arm)


def breasts(canvas: Canvas, body: Anatomy) -> Field:
    """Thickness of both breasts, cm, with the crescent of their lower edge."""
    if body.breast == 0:
        return np.zeros((canvas.pixels, canvas.pixels), np.float32)
    radius = 0.27 + 0.02 * body.breast
    across, down = (canvas.side - 0.40) / radius, (canvas.y - 0.22) / (0.9 * radius)
    distance = 1 - np.sqrt(across * across + down * down)
    return body.breast * rounded(distance, 0.55) * edge(canvas.y - 0.10, 0.5)


def stomach(canvas: Canvas, body: Anatomy) -> Field:
    """Thickness of gas under the left diaphragm, cm, with a level surface below."""
    if body.stomach == 0:
        return np.zeros((canvas.pixels, canvas.pixels), np.float32)
    top = body.dome + body.dome_step + 0.04
    bubble = ball(canvas, 0.33, top + 0.8 * body.stomach, 1.5 * body.stomach, 0.8 * body.stomach)
    return 5.0 * bubble
