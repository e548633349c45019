"""Bones as thickness maps, in centimetres of soft tissue that would weaken X-rays as much."""

import numpy as np

from pipelines.sources.phantom.anatomy import Anatomy, Pose
from pipelines.sources.phantom.canvas import CENTIMETRES, Canvas, Field, ball, bump, edge, rounded
from pipelines.sources.phantom.thorax import wall

RIBS = 11
FIRST_RIB = 0.17  # below the apex, where the first rib meets the chest wall


def ribs(canvas: Canvas, body: Anatomy, turn: float, uneven: Field) -> Field:
    """All ribs: each is a sagging ring, whose upper arc lies behind the lungs and whose lower arc in front.

    Args:
        turn: sideways shift of the front arcs.
        uneven: small displacement of each rib in shares of the gap, (2, RIBS).
    """
    reach = wall(canvas, body) + 0.022
    behind = _arcs(canvas, body, canvas.side / reach, -body.rib_drop, uneven[0])
    front = _arcs(canvas, body, np.abs(canvas.x - turn) / reach, body.rib_rise, uneven[1])
    front *= edge(canvas.side - 0.27, 0.12)  # towards the breastbone ribs are cartilage, which hardly shows
    return body.bone * (1.05 * behind + 0.75 * front)


def _arcs(canvas: Canvas, body: Anatomy, share: Field, sag: float, uneven: Field) -> Field:
    """One arc of every rib.

    Args:
        share: place between the middle (0) and the chest wall (1).
        sag: drop from the middle to the chest wall, negative for the arcs behind, which dip again towards the spine.
        uneven: displacement of each rib in shares of the gap, (RIBS,).
    """
    round_part = np.sqrt(np.clip(1 - np.square(share), 0.0, None))
    bow = round_part - 0.25 * bump(share, 0.22) if sag < 0 else round_part
    count = (canvas.y - body.apex - FIRST_RIB - sag * bow) / body.rib_gap
    nearest = np.clip(np.rint(count), 0, RIBS - 1)
    offset = (count - nearest - uneven[nearest.astype(np.intp)]) * body.rib_gap
    steep = abs(sag) * share / np.maximum(round_part, 0.08) / body.width
    distance = np.abs(offset) / np.sqrt(1 + np.square(steep))
    return _tube(distance, 0.027 if sag < 0 else 0.031) * edge(1.0 - share, 0.02)


def _tube(distance: Field, radius: float) -> Field:
    """A hollow bone: a bright rim around a fainter marrow."""
    outer = rounded(radius - distance, radius)
    inner = rounded(0.72 * radius - distance, 0.72 * radius)
    return 1.9 * outer - 1.0 * inner


def spine(canvas: Canvas, body: Anatomy, centre: Field) -> Field:
    """Vertebral bodies with disc spaces, pedicles and spinous processes."""
    side = canvas.x - centre
    row = (canvas.y - body.apex) / body.rib_gap
    phase = row - np.rint(row)
    waist = 0.088 + 0.012 * np.square(2 * phase)
    block = rounded(waist - np.abs(side), 0.035) * (0.72 + 0.28 * edge(0.40 - np.abs(phase), 0.16))
    pedicle = bump(np.abs(side) - 0.052, 0.011) * bump(phase + 0.12, 0.13)
    process = bump(side, 0.012) * bump(phase - 0.15, 0.2)
    return body.bone * (1.5 * block + 0.8 * pedicle + 0.8 * process)


def clavicles(canvas: Canvas, body: Anatomy, turn: float) -> Field:
    """Both collar bones, S-shaped, from the breastbone outwards and upwards."""
    side = np.abs(canvas.x - turn)
    share = np.clip((side - 0.07) / 0.75, 0, 1)
    line = body.clavicle - body.clavicle_tilt * share + 0.055 * np.sin(2 * np.pi * share) * (1 - 0.4 * share)
    radius = 0.030 + 0.022 * bump(side - 0.09, 0.05) + 0.012 * share
    ends = edge(side - 0.075, 0.03) * edge(0.95 - side, 0.1)
    distance = np.abs(canvas.y + 0.06 - line) * np.float32(0.95)
    outer, inner = rounded(radius - distance, 0.03), rounded(0.65 * radius - distance, 0.02)
    return body.bone * ends * (2.9 * outer - 1.2 * inner)


def shoulder_blades(canvas: Canvas, body: Anatomy, pose: Pose) -> Field:
    """Inner border and plate of both shoulder blades, and the heads of the upper arms."""
    inner = body.width + 0.12 - 0.22 * pose.shoulders
    line = inner + 0.10 * np.square(canvas.y + 0.25) - 0.10 * (canvas.y + 0.25)
    tip = edge(0.10 - canvas.y, 0.12) * edge(canvas.y + 0.75, 0.2)
    plate = edge(canvas.side - line, 0.02) * edge(line + 0.30 - canvas.side, 0.3)
    rim = bump(canvas.side - line - 0.012, 0.012)
    head = ball(canvas, 1.02, -0.64, 0.15, 0.15) + ball(canvas, -1.02, -0.64, 0.15, 0.15)
    return body.bone * ((0.45 * plate + 0.55 * rim) * tip + 3.2 * head)


def centre_line(canvas: Canvas, body: Anatomy) -> Field:
    """Sideways place of the spine at each height, (n, 1)."""
    return np.float32(body.bend) * np.sin(2.2 * canvas.y + 0.4)


def nodule(canvas: Canvas, x: float, y: float, radius: float) -> Field:
    """A small ball of lime, as an old healed infection leaves, in centimetres of soft tissue."""
    return 2 * radius * CENTIMETRES * 1.5 * ball(canvas, x, y, radius, radius)
