"""The card that travels with a model file: all that a service must know to answer as training meant it."""

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, ValidationError

from pipelines.errors import ReleaseError
from pipelines.recipe import ImageParams, LabelParams
from pipelines.section import Section

Range = tuple[float, float]


class Familiarity(Section):
    """Distances of validation images from the training images, as the model file gives them, at rising shares.

    Args:
        shares: rising, from 0 to 1.
        distances: the distance that this share of validation images does not exceed.
        refuse: an image is refused when no more than this share of validation images lay as far away.
    """

    shares: tuple[float, ...]
    distances: tuple[float, ...]
    refuse: float


class Limits(Section):
    """Lowest and highest usual value of what a picture is like (see `pipelines.statistics.Statistics`).

    The grey level of the border is none of them: it hangs on the scale at which a JPEG was decoded.
    """

    colour: Range
    std: Range
    mean: Range
    dark: Range
    bright: Range


class Decision(Section):
    """What is decided with, learnt from training and validation.

    Args:
        threshold: probability from which the answer is positive; null with more than two classes.
        refer: the open interval of probabilities in which the answer is left to a person, or null.
        familiarity: how unusual images were on validation.
        limits: of what a picture is like; null in a card that was written before they were learnt.
        heat_scale: heat (contribution to the logit) that is drawn at full strength.
    """

    threshold: float | None
    refer: tuple[float, float] | None
    familiarity: Familiarity
    limits: Limits | None = None
    heat_scale: float


class Card(Decision):
    """What travels with `model.onnx`.

    Args:
        recipe: name of the recipe.
        title: what the model is for, in a few words.
        version: the first twelve digits of the model file's SHA-256.
        sha256: of the model file, which holds the decision, too.
        labels: classes in the order of the outputs.
        image: the form of the input.
        facts: numbers about data, training and validation, for people.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", protected_namespaces=())

    recipe: str
    title: str
    version: str
    sha256: str
    labels: LabelParams
    image: ImageParams
    facts: dict[str, Any]

    def write(self, path: Path) -> None:
        """Write the card as JSON."""
        path.write_text(json.dumps(self.model_dump(mode="json"), indent=2) + "\n", encoding="utf-8")


def read_card(path: Path) -> Card:
    """Read a card.

    Raises:
        ReleaseError: it is missing, or not a card.
    """
    try:
        return Card.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ReleaseError(f"There is no {path}. A model needs its card: train it again.") from None
    except ValidationError as error:
        first = error.errors()[0]
        fault = ": ".join(filter(None, (".".join(map(str, first["loc"])), first["msg"])))
        raise ReleaseError(f"{path} is not a model card ({fault}). Train again.") from None
    except UnicodeDecodeError:
        raise ReleaseError(f"{path} is not a model card (it is no text). Train again.") from None


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
