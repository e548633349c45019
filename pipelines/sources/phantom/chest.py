"""One chest in front of the rays: all its parts summed along them, and the outline of its pneumonia."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipelines.sources.phantom import bones, harmless, thorax, vessels
from pipelines.sources.phantom.anatomy import Anatomy, Pose, posed
from pipelines.sources.phantom.canvas import REACH, Canvas, Field
from pipelines.sources.phantom.disease import lost_air, outline
from pipelines.sources.phantom.patient import Patient, Visit

AERATED = 0.74  # share of a lung's volume that is air
FLUID = 0.80  # share of lost air that fluid takes the place of; the rest is collapse


@dataclass(frozen=True)
class Chest:
    """Thickness in centimetres of soft tissue, and where the pneumonia and the lungs are seen, all (n, n)."""

    thickness: Field
    shadow: NDArray[np.bool_]
    lungs: NDArray[np.bool_]


def chest(canvas: Canvas, patient: Patient, visit: Visit, rng: np.random.Generator) -> Chest:
    """Sum the parts of a patient for one film, upright and centred."""
    body, turn = posed(patient.anatomy, visit.pose), visit.pose.turn
    centre = bones.centre_line(canvas, body)
    lungs = thorax.lungs(canvas, body, centre, thorax.middle(canvas, body))
    lost = lost_air(canvas, lungs, patient.disease, visit.severity)
    air = lungs.air * np.float32(AERATED)
    solid = thorax.trunk(canvas, body, visit.pose.shoulders) + thorax.breasts(canvas, body)
    solid += _skeleton(canvas, patient, body, visit.pose, centre)
    solid -= thorax.airway(canvas, body, centre + turn) + thorax.stomach(canvas, body)
    solid -= air * (1 + harmless.texture(lungs, patient.traces.coarse, rng)) - FLUID * air * lost
    blood = vessels.thickness(canvas, patient.tree, 1 + 0.8 * visit.pose.breath)
    solid += blood * np.square(np.clip(air / 7, 0, 1)) * (1 - lost)
    solid += harmless.marks(canvas, lungs, patient.traces) + harmless.metal(canvas, visit.leads)
    return Chest(np.maximum(solid, 0), outline(lungs, lost), lungs.inside)


def _skeleton(canvas: Canvas, patient: Patient, body: Anatomy, pose: Pose, centre: Field) -> Field:
    cage = bones.ribs(canvas, body, pose.turn, patient.uneven_ribs) + bones.clavicles(canvas, body, pose.turn)
    return cage + bones.spine(canvas, body, centre) + bones.shoulder_blades(canvas, body, pose)


def placed(field: Field, pose: Pose, size: int) -> Field:
    """A canvas as the film sees it: shifted, tilted, zoomed and cropped to `size` pixels a side."""
    pixels = field.shape[0]
    scale = pixels / (2 * REACH)
    angle = np.deg2rad(pose.tilt)
    step = 2 / size * scale / pose.zoom
    cosine, sine = step * float(np.cos(angle)), step * float(np.sin(angle))
    right, down = (REACH - pose.right) * scale, (REACH - pose.down) * scale
    half = size / 2
    matrix = (cosine, sine, right - half * (cosine + sine), -sine, cosine, down - half * (cosine - sine))
    picture = Image.fromarray(field)
    return np.asarray(picture.transform((size, size), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR))
