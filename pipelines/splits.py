"""Which patient belongs to which split: a matter of the patient's name alone, so that new data moves nobody."""

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pipelines.recipe import SplitParams


def assign(patients: Sequence[str], pictures: Sequence[str], split: SplitParams) -> list[str]:
    """Split of each image: train, val or test.

    Patients who share a picture, bit for bit, are taken for one person, and fall together.

    Args:
        patients: patient of each image, unique over all sites.
        pictures: hash of each image's file.
    """
    groups = _groups(patients, pictures)
    return [_split_of(group, split) for group in groups]


def _groups(patients: Sequence[str], pictures: Sequence[str]) -> list[str]:
    """For each image the first name, in alphabetical order, of the patients tied to it by shared pictures."""
    patient, names = pd.factorize(np.asarray(patients, dtype=object), sort=True)
    picture, _ = pd.factorize(np.asarray(pictures, dtype=object))
    nodes = len(names) + int(picture.max(initial=-1)) + 1
    ties = coo_array((np.ones(len(patient)), (patient, picture + len(names))), shape=(nodes, nodes))
    component = connected_components(ties, directed=False)[1]
    first: dict[int, str] = {}
    for index, name in enumerate(names):
        first.setdefault(int(component[index]), str(name))
    return [first[int(component[index])] for index in patient]


def _split_of(group: str, split: SplitParams) -> str:
    digest = hashlib.sha256(f"{split.seed}:{group}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < split.train:
        return "train"
    return "val" if place < split.train + split.val else "test"
