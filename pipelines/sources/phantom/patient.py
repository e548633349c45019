"""Who comes to the hospital, and what is wrong with them."""

from dataclasses import dataclass

import numpy as np

from pipelines.sources.phantom.anatomy import Anatomy, Pose, Sex, View, grow, stand
from pipelines.sources.phantom.bones import RIBS
from pipelines.sources.phantom.canvas import Field
from pipelines.sources.phantom.disease import HEALTHY, Disease, fall_ill
from pipelines.sources.phantom.harmless import Lead, Traces, collect, wire
from pipelines.sources.phantom.hospital import Hospital
from pipelines.sources.phantom.vessels import Tree, branch

LABELS = ("NORMAL", "PNEUMONIA")


@dataclass(frozen=True)
class Patient:
    """One person: what all films of them have in common. `uneven_ribs` is (2, RIBS)."""

    age: int
    sex: Sex
    anatomy: Anatomy
    uneven_ribs: Field
    tree: Tree
    traces: Traces
    disease: Disease

    @property
    def label(self) -> str:
        """One of LABELS."""
        return LABELS[self.disease.pattern != "none"]


@dataclass(frozen=True)
class Visit:
    """One film of a patient: how they stood, what lay over them, how far the disease had come."""

    pose: Pose
    leads: tuple[Lead, ...]
    severity: float


def admit(rng: np.random.Generator, hospital: Hospital, pneumonia: float) -> Patient:
    """A patient at random.

    Args:
        pneumonia: share of patients with pneumonia.
    """
    ill = rng.random() < pneumonia
    age = int(np.clip(rng.normal(hospital.age + 2.0 * ill, 15), 18, 92))
    sex: Sex = "M" if rng.random() < 0.52 else "F"
    anatomy = grow(rng, age, sex)
    uneven = rng.normal(0, 0.035, (2, RIBS)).astype(np.float32)
    tree, traces = branch(rng, anatomy.vessels), collect(rng, age)
    return Patient(age, sex, anatomy, uneven, tree, traces, fall_ill(rng) if ill else HEALTHY)


def visit(rng: np.random.Generator, hospital: Hospital, patient: Patient) -> Visit:
    """The circumstances of one film; the ill are a little more often filmed at the bed."""
    ill = patient.disease.pattern != "none"
    view: View = "AP" if rng.random() < hospital.bedside + 0.06 * ill else "PA"
    wired = rng.random() < (0.45 if view == "AP" else 0.1)
    leads = tuple(wire(rng) for _ in range(int(rng.integers(1, 4)))) if wired else ()
    severity = float(np.clip(patient.disease.severity + rng.normal(0, 0.08), 0, 1))
    return Visit(stand(rng, view), leads, severity)
