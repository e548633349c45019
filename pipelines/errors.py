"""What can go wrong, as one family. Each message says what was found, what is expected and what to do.

FilmgateError
├── RecipeError     a recipe, a key of it or a value in it
├── DataError       a folder, a table or a manifest
│   ├── ImageError  one image that cannot be used
│   └── LeakError   the same patient or the same picture on both sides of a split
├── ModelError      a model that cannot be built, exported or trusted
│   └── OutOfMemoryError  a batch that does not fit the device; a smaller one may
├── GateError       a model that did not prove what its gates ask
├── ReleaseError    a release that is missing or damaged
├── ChainError      a stage that stopped, or a chain that cannot be run
│   ├── BusyError   another run holds the data; waiting helps
│   ├── RemoteError a remote that does not answer; trying again may help
│   └── DiskError   a full or read-only disk
└── ServiceError    the prediction service is down, or its answer is not one of ours
"""

from typing import Literal


class FilmgateError(Exception):
    """A fault that the user can mend: printed as one sentence, without a traceback."""


class RecipeError(FilmgateError):
    """A recipe, a key of it or a value in it is not what it must be."""


class DataError(FilmgateError):
    """A folder, a table or a manifest does not hold what it must."""


class ImageError(DataError):
    """One image cannot be used.

    Args:
        message: the sentence.
        kind: `unreadable` (no picture at all), `truncated` (its end is missing or damaged), or `unsupported` (a picture
            of a kind that no stage takes: several frames, another modality, too many pixels).
    """

    def __init__(self, message: str, kind: Literal["unreadable", "truncated", "unsupported"] = "unreadable") -> None:
        super().__init__(message)
        self.kind = kind


class LeakError(DataError):
    """A patient or a picture is in two splits, so that a test would measure memory."""


class ModelError(FilmgateError):
    """A model cannot be built, exported or trusted."""


class OutOfMemoryError(ModelError):
    """A batch does not fit the device; a smaller one may."""


class GateError(FilmgateError):
    """A model did not prove what its gates ask."""


class ReleaseError(FilmgateError):
    """A release is missing or damaged."""


class ChainError(FilmgateError):
    """A stage stopped without a sentence of its own, or the chain cannot be run."""


class BusyError(ChainError):
    """Another run holds the data; trying again later helps."""


class RemoteError(ChainError):
    """A remote or a network does not answer; trying again may help."""


class DiskError(ChainError):
    """A disk is full, or may not be written to."""


class ServiceError(FilmgateError):
    """The prediction service is down, or its answer is not one of ours."""
