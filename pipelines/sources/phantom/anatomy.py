"""What differs from patient to patient, and from film to film of one patient, as numbers."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

Sex = Literal["F", "M"]
View = Literal["PA", "AP"]


@dataclass(frozen=True)
class Anatomy:
    """Measures of one chest in shares of half a film, thickness in cm, y positive downwards.

    Args:
        width: from the middle to the chest wall where the lungs are widest.
        apex: y of the top of the lungs.
        dome: y of the right diaphragm; the left one lies `dome_step` lower.
        mediastinum: half its width.
        heart: half the width of the heart; `lean` is its tilt in radians.
        aorta: radius of its arch, which grows with age.
        depth: of the body from front to back, cm.
        fat: thickness of the chest wall beside the ribs.
        rib_gap: from one rib to the next; `rib_drop` and `rib_rise` say how far behind and in front they sag.
        bone: strength of bone, 1 in the young.
        breast: thickness in cm, 0 in men.
        bend: sideways bend of the spine.
        vessels: prominence of the vessels, 1 on average.
        stomach: size of the gas bubble, 0 where there is none.
        clavicle: y of the collar bones at the breastbone; `clavicle_tilt` is their rise outwards.
    """

    width: float
    apex: float
    dome: float
    dome_step: float
    mediastinum: float
    heart: float
    lean: float
    aorta: float
    depth: float
    fat: float
    rib_gap: float
    rib_drop: float
    rib_rise: float
    bone: float
    breast: float
    bend: float
    vessels: float
    stomach: float
    clavicle: float
    clavicle_tilt: float


@dataclass(frozen=True)
class Pose:
    """How a patient stood for one film.

    Args:
        right, down: shift of the chest, in shares of half a film; `tilt` in degrees, `zoom` as a factor.
        breath: lowering of the diaphragm by breathing in, negative where the breath was poor.
        turn: sideways shift of what lies in front against what lies behind.
        shoulders: how far the shoulder blades lie over the lungs, 0 to 1; further in an AP film.
    """

    view: View
    right: float
    down: float
    tilt: float
    zoom: float
    breath: float
    turn: float
    shoulders: float


def grow(rng: np.random.Generator, age: float, sex: Sex) -> Anatomy:
    """A chest for a patient of an age in years."""
    male, old = float(sex == "M"), (age - 50) / 40
    stout = rng.normal()
    return Anatomy(
        width=rng.normal(0.705 + 0.025 * male, 0.028),
        apex=rng.normal(-0.77, 0.03),
        dome=rng.normal(0.37, 0.04) - 0.015 * stout,
        dome_step=rng.uniform(0.02, 0.07),
        mediastinum=rng.normal(0.150 + 0.012 * old, 0.014),
        heart=float(np.clip(rng.normal(0.345 + 0.02 * old, 0.025), 0.27, 0.45)),
        lean=rng.normal(0.45, 0.1),
        aorta=rng.normal(0.070 + 0.012 * old, 0.008),
        depth=float(np.clip(20.5 + 1.5 * male + 2.2 * stout, 16, 28)),
        fat=float(np.clip(0.10 + 0.035 * stout, 0.05, 0.22)),
        rib_gap=rng.normal(0.136, 0.006),
        rib_drop=rng.normal(0.24, 0.03),
        rib_rise=rng.normal(0.30, 0.035),
        bone=float(np.clip(rng.normal(1.0 - 0.15 * old, 0.12), 0.6, 1.4)),
        breast=0.0 if male else float(np.clip(rng.normal(2.2 + 0.8 * stout, 0.9), 0.3, 5.0)),
        bend=rng.normal(0.0, 0.012 + 0.006 * max(old, 0)),
        vessels=float(np.clip(rng.lognormal(0.0, 0.28), 0.55, 1.9)),
        stomach=float(rng.random() < 0.6) * rng.uniform(0.07, 0.15),
        clavicle=rng.normal(-0.62, 0.03),
        clavicle_tilt=rng.normal(0.22, 0.06),
    )


def stand(rng: np.random.Generator, view: View) -> Pose:
    """How a patient happened to stand, or to lie for an AP film."""
    lying = float(view == "AP")
    return Pose(
        view=view,
        right=rng.normal(0, 0.025),
        down=rng.normal(0, 0.03),
        tilt=rng.normal(0, 1.3 + 0.7 * lying),
        zoom=rng.normal(1.0 + 0.02 * lying, 0.025),
        breath=float(np.clip(rng.normal(0.0 - 0.04 * lying, 0.04), -0.14, 0.07)),
        turn=rng.normal(0, 0.012 + 0.008 * lying),
        shoulders=float(np.clip(rng.normal(0.35 + 0.4 * lying, 0.25), 0, 1)),
    )


def posed(anatomy: Anatomy, pose: Pose) -> Anatomy:
    """The chest as it is in one film: breath moves the diaphragm and the heart, an AP film enlarges the heart."""
    lying = float(pose.view == "AP")
    return replace(
        anatomy,
        dome=anatomy.dome + pose.breath,
        width=anatomy.width + 0.15 * pose.breath,
        heart=anatomy.heart * (1.0 + 0.08 * lying - 0.8 * pose.breath),
        mediastinum=anatomy.mediastinum * (1.0 + 0.10 * lying - 0.5 * pose.breath),
        rib_gap=anatomy.rib_gap + 0.06 * pose.breath,
        rib_rise=anatomy.rib_rise - 0.10 * lying,
        clavicle=anatomy.clavicle - 0.05 * lying,
    )
