"""The catalogue of public data sets, data/public.yaml: whose each is, where its files come from, how they are known."""

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from pipelines.errors import RecipeError
from pipelines.recipe_file import read_yaml
from pipelines.section import Positive, Section


def _inside(path: str) -> str:
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts or "\\" in path:
        raise ValueError("must lie inside the data set")
    return path


Inside = Annotated[str, AfterValidator(_inside)]
Name = Annotated[str, Field(pattern=r"^[^/\\.][^/\\]*$")]
Address = Annotated[str, Field(pattern=r"^https?://\S+$")]
Checksum = Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64}|md5:[0-9a-f]{32})$")]


class PublicFile(Section):
    """One file of the publisher.

    `urls` are tried in order. `checksum` is `sha256:...`, or `md5:...` where the publisher says no more, or null where
    none is known. `into` is the folder of the data set for the file, or for what an archive unpacks to; an archive
    `holds` one folder, and nothing else in it is kept.
    """

    name: Name
    urls: Annotated[tuple[Address, ...], Field(min_length=1)]
    checksum: Checksum | None
    bytes: Positive | None
    unpack: Literal["none", "zip", "tar"]
    into: Inside
    holds: Name | None

    @property
    def place(self) -> str:
        """Where in the data set the file, or what it unpacks to, belongs."""
        return (PurePosixPath(self.into) / (self.holds or self.name)).as_posix()


class ByHand(Section):
    """A part of a data set that its publisher gives only to people: the folder for it, and what belongs there."""

    into: Inside
    what: str


class PublicSet(Section):
    """One data set. `licence` is what its publisher says, also where that is nothing."""

    title: str
    licence: str
    citation: str
    homepage: str
    files: Annotated[tuple[PublicFile, ...], Field(min_length=1)]
    by_hand: tuple[ByHand, ...]


_CATALOGUE = TypeAdapter(dict[str, PublicSet])


def read_catalogue(path: Path) -> Mapping[str, PublicSet]:
    """The public data sets by the name of their folder in data/raw.

    Raises:
        RecipeError: the file is missing, is no YAML, or holds what a catalogue may not hold.
    """
    try:
        catalogue = _CATALOGUE.validate_json(json.dumps(read_yaml(path)))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise RecipeError(f"{path}: {key}: {first['msg']}. Received: {first['input']!r}.") from None
    for name, data_set in catalogue.items():
        for file in data_set.files:
            if (file.unpack == "none") != (file.holds is None):
                raise RecipeError(f"{path}: {name}: {file.name} must say what it holds if and only if it is unpacked.")
    return catalogue
