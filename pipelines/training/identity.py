"""What makes two training runs the same: data, numbers, code and libraries."""

import hashlib
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path

from pydantic import BaseModel

from pipelines.card import sha256

PIPELINES = Path(__file__).parent.parent
CODE = (  # what decides the weights
    "models",
    "pytorch",
    "training/augment.py",
    "training/batches.py",
    "training/compiled.py",
    "training/course.py",
    "training/devices.py",
    "training/follow.py",
    "training/frozen.py",
    "training/keras_learner.py",
    "training/labelled.py",
    "training/phases.py",
)
LIBRARIES = ("keras", "numpy", "tensorflow", "tensorflow-cpu", "torch")


def identity(prepared: Path, sections: Sequence[BaseModel]) -> str:
    """A digest that is equal for runs that must end in the same weights.

    Args:
        prepared: folder of the prepared splits; training and validation count.
        sections: those of the recipe that decide the weights; a file that one names counts by its content.
    """
    parts = [sha256(prepared / f"{split}.{kind}") for split in ("train", "val") for kind in ("npy", "parquet")]
    parts += [section.model_dump_json() for section in sections]
    parts += [sha256(file) for file in _named_files(sections)]
    parts += [sha256(file) for file in code_files()]
    parts += [f"{library} {_version(library)}" for library in LIBRARIES]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def code_files() -> list[Path]:
    """The modules of CODE, those in its folders included."""
    found: set[Path] = set()
    for name in CODE:
        path = PIPELINES / name
        found |= set(path.rglob("*.py")) if path.is_dir() else {path}
    return sorted(found)


def _named_files(sections: Sequence[BaseModel]) -> Iterable[Path]:
    for section in sections:
        weights = getattr(section, "weights", None)
        if weights and Path(weights).is_file():
            yield Path(weights)


def _version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return "absent"
