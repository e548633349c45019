"""From a row of the manifest to its picture, whatever kind of file holds it."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from pipelines.images import read
from pipelines.known import Stamp, stamp
from pipelines.manifest import Form
from pipelines.sources import cifar, idx, npz

# What pixels depend on beside the files: earlier results hold only while this code is the same.
PIXELS = ("images", "dicom", "greyscale", "pictures", "sources.idx", "sources.npz", "sources.cifar")
ARRAYS = {"idx": idx.images, "npz": npz.images, "cifar": cifar.images}


@dataclass(frozen=True, slots=True)
class Place:
    """Where one image lies: the file, inside the raw data set, what kind of file it is, and the place in it."""

    path: str
    form: Form
    index: int


class Opened(NamedTuple):
    """A picture, with the digest of its content and its bytes; an array has no bytes of its own for one image."""

    picture: Image.Image
    sha256: str
    bytes: int | None


def open_picture(raw: Path, place: Place, at_least: int | None = None) -> Opened:
    """Read one image.

    Args:
        at_least: pixels that the shorter side must keep, see `pipelines.images.read`.
    Raises:
        ImageError: the file cannot be read.
        DataError: the array that should hold it cannot.
    """
    file = raw / place.path
    if place.form == "picture":
        content = file.read_bytes()
        return Opened(read(content, file.name, at_least), hashlib.sha256(content).hexdigest(), len(content))
    pixels = np.ascontiguousarray(_array(place.form, file, stamp(file))[place.index])
    picture = Image.fromarray(pixels)
    picture.info.update(stored=picture.size, bits=8)
    digest = hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()
    return Opened(picture, digest, None)


@lru_cache(maxsize=8)
def _array(form: str, file: Path, version: Stamp) -> np.ndarray:
    """All images of a file; kept, since its images are asked for one after another."""
    return ARRAYS[form](file)
