"""Which patient belongs to which split: a matter of the patient's name alone, so that new data moves nobody."""

import hashlib
from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pipelines.recipe import SplitParams
from pipelines.section import Split

DEALT: tuple[Split, ...] = ("train", "val", "test")


def assign(
    patients: Sequence[str], twins: Sequence[int] | np.ndarray, given: Sequence[str | None], split: SplitParams
) -> list[str | None]:
    """Split of each image: the publisher's where the recipe keeps it, else one that is dealt to the patient.

    Patients who share a picture, or nearly, are taken for one person, and fall together. An image whose publisher gives
    no split gets None where the recipe keeps all three.

    Args:
        patients: patient of each image, unique over all sites.
        twins: for each image the place of the first one that is the same picture.
        given: the publisher's split of each image.
    """
    open_splits = [name for name in DEALT if name not in split.keep]
    return [
        told if told in split.keep else _dealt(group, open_splits, split)
        for told, group in zip(given, _groups(patients, twins), strict=True)
    ]


def _groups(patients: Sequence[str], twins: Sequence[int] | np.ndarray) -> list[str]:
    """For each image the first name, in alphabetical order, of the patients tied to it by shared pictures."""
    names, patient = np.unique(np.asarray(patients, dtype=object), return_inverse=True)
    _, picture = np.unique(np.asarray(twins), return_inverse=True)
    nodes = len(names) + int(picture.max(initial=-1)) + 1
    ties = coo_array((np.ones(len(patient)), (patient, picture + len(names))), shape=(nodes, nodes))
    component = connected_components(ties, directed=False)[1]
    first: dict[int, str] = {}
    for index, name in enumerate(names):
        first.setdefault(int(component[index]), str(name))
    return [first[int(component[index])] for index in patient]


def _dealt(group: str, splits: Sequence[Split], split: SplitParams) -> str | None:
    digest = hashlib.sha256(f"{split.seed}:{group}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64 * sum(split.share(name) for name in splits)
    for name in splits[:-1]:
        place -= split.share(name)
        if place < 0:
            return name
    return splits[-1] if splits else None
