"""A recipe holds every number of one task; this module says what a recipe may hold, and reads it strictly.

Sections are frozen. An unknown key, a missing key or a wrong type is a RecipeError that names the key.
Files are YAML 1.2, as DVC reads them, so that `1e-4` is a number for both.
"""

import difflib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipelines.errors import RecipeError

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]
Metric = Literal["auc", "accuracy", "sensitivity", "specificity", "precision", "recall", "f1", "brier", "ece"]


class Section(BaseModel):
    """One named part of a recipe: typed, frozen, strict."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class PhantomParams(Section):
    """Phantom chest films to draw; only recipes whose data are drawn have this section."""

    seed: int
    size: Annotated[int, Field(ge=32)]
    patients: Positive
    external_patients: Positive
    films: Positive
    pneumonia: Share


class TableParams(Section):
    """A CSV beside the images. Each value but `file` names a column of it, or is null where there is none."""

    file: str
    name: str
    label: str | None
    patient: str | None
    site: str | None
    view: str | None
    sex: str | None
    age: str | None


class SourceParams(Section):
    """Where images come from.

    `folder` lies inside the raw data set. Every folder below it that bears the name of a label is a class folder.
    `patient` is a regular expression on the file name whose first group is the patient, where no table says so.
    `site` names the hospital, where no table says so.
    """

    kind: Literal["folder"]
    folder: str
    site: str
    patient: str | None
    table: TableParams | None


class LabelParams(Section):
    """The classes in the order of the model's outputs, and the one that a positive answer means."""

    names: Annotated[tuple[str, ...], Field(min_length=2)]
    positive: str | None

    @model_validator(mode="after")
    def _known_and_binary(self) -> "LabelParams":
        if len(set(self.names)) < len(self.names):
            raise ValueError("names a class twice")
        if (self.positive is None) != (len(self.names) > 2):
            raise ValueError("needs a positive class if and only if there are two classes")
        if self.positive is not None and self.positive not in self.names:
            raise ValueError(f"has {self.positive!r} as positive, which is none of its names")
        return self

    @property
    def positive_index(self) -> int:
        """Column of the positive class; with more than two classes, of the last one."""
        return self.names.index(self.positive) if self.positive else len(self.names) - 1


class SplitParams(Section):
    """Shares of patients; a patient's split follows from the seed and the patient's name alone."""

    train: Share
    val: Share
    test: Share
    seed: int

    @model_validator(mode="after")
    def _whole(self) -> "SplitParams":
        total = self.train + self.val + self.test
        if abs(total - 1) > 1e-9:
            raise ValueError(f"has shares that add up to {total:g}, not to 1")
        return self


class ChecksParams(Section):
    """What the images must satisfy, and how much of the set may be put aside.

    Args:
        minimum_side: pixels; a smaller image is put aside.
        minimum_spread: standard deviation of grey levels (0 to 255); a flatter image is blank and put aside.
        quarantine_share: largest share of images that may be put aside before the run stops.
        class_share: smallest share that each class must have of every split; less is a warning.
        shortcut_auc: a single property of the files that guesses the label better than this is a warning.
    """

    minimum_side: Positive
    minimum_spread: Annotated[float, Field(ge=0)]
    quarantine_share: Share
    class_share: Share
    shortcut_auc: Share


class ImageParams(Section):
    """The picture that the model sees: pixels, channels (1 grey, 3 RGB), and how other shapes are brought to it."""

    height: Positive
    width: Positive
    channels: Literal[1, 3]
    fit: Literal["pad", "stretch", "crop"]


class AugmentParams(Section):
    """Largest random change of a training image, either way.

    rotation in degrees; shift, shear and zoom as shares of the side; flip mirrors half of the images;
    contrast and brightness as shares of the grey range; noise as the largest standard deviation, same unit.
    """

    rotation: Annotated[float, Field(ge=0, le=180)]
    shift: Share
    shear: Share
    zoom: Share
    flip: bool
    contrast: Share
    brightness: Share
    noise: Share


class ModelParams(Section):
    """The architecture, by name, with the sizes that may be chosen."""

    name: Literal["small-cnn"]
    filters: Annotated[tuple[Positive, ...], Field(min_length=1)]
    dense: Positive
    dropout: Share


class TrainParams(Section):
    """How the model is trained; the epoch with the best validation AUC is kept."""

    seed: int
    epochs: Positive
    batch: Positive
    learning_rate: Annotated[float, Field(gt=0)]
    weight_decay: Annotated[float, Field(ge=0)]
    patience: Positive
    class_weights: bool


class ThresholdParams(Section):
    """How the threshold is chosen on validation.

    rule `youden` maximises sensitivity + specificity - 1; `sensitivity` and `specificity` reach `minimum`.
    refer_error: outside the refer band at most this share of validation images is answered wrongly.
    """

    rule: Literal["youden", "sensitivity", "specificity"]
    minimum: Share
    refer_error: Share


class GateParams(Section):
    """One thing that must be proven before a release."""

    metric: Metric
    split: Literal["test", "external"]
    bound: Literal["point", "low"]
    minimum: Share


class ServeParams(Section):
    """What the service does: the share of validation images, the least familiar, that it would refuse."""

    refuse: Share


class Recipe(Section):
    """One task, whole."""

    title: str
    phantom: PhantomParams | None = None
    source: SourceParams
    external: SourceParams | None
    labels: LabelParams
    split: SplitParams
    checks: ChecksParams
    image: ImageParams
    augment: AugmentParams
    model: ModelParams
    train: TrainParams
    threshold: ThresholdParams
    gates: tuple[GateParams, ...]
    serve: ServeParams


Model = TypeVar("Model", bound=BaseModel)


def load(path: Path) -> Recipe:
    """Read a whole recipe.

    Raises:
        RecipeError: the file is missing, is no YAML, or holds what a recipe may not hold.
    """
    return _checked(Recipe, read_yaml(path), str(path))


def load_sections(path: Path, names: Iterable[str]) -> dict[str, Any]:
    """Read the named sections of a recipe, checked with all the others; `recipe` is its name."""
    recipe = load(path)
    return {name: path.stem if name == "recipe" else getattr(recipe, name) for name in names}


def override(path: Path, assignments: Iterable[str]) -> dict[str, Any]:
    """The recipe's mapping with `section.key=value` assignments made, values read as YAML, the whole checked.

    Raises:
        RecipeError: an assignment is malformed, or the recipe would not be valid with it.
    """
    values = read_yaml(path)
    for assignment in assignments:
        _assign(values, assignment)
    _checked(Recipe, values, f"{path} with --set")
    return values


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping that a YAML 1.2 file holds.

    Raises:
        RecipeError: no such file, not YAML, or not a mapping.
    """
    if not path.is_file():
        raise RecipeError(f"There is no {path}.{_known_recipes(path)}")
    try:
        values = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise RecipeError(f"{path} holds {type(values).__name__}. A recipe is a mapping of sections.")
    return values


def write_yaml(values: Mapping[str, Any], path: Path) -> None:
    """Write a mapping as YAML 1.2."""
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style, writer.sort_base_mapping_type_on_output = False, False
    with path.open("w", encoding="utf-8") as file:
        writer.dump(dict(values), file)


def _known_recipes(path: Path) -> str:
    known = sorted(file.stem for file in path.parent.glob("*.yaml"))
    return f" Known recipes: {', '.join(known)}." if known else ""


def _assign(values: dict[str, Any], assignment: str) -> None:
    dotted, equals, text = assignment.partition("=")
    if not equals or not dotted:
        raise RecipeError(f"--set takes section.key=value. Received: {assignment!r}.")
    *parents, last = dotted.split(".")
    here: Any = values
    for key in parents:
        here = here[_key(here, key, dotted)]
    if not isinstance(here, (dict, list)):
        raise RecipeError(f"--set {dotted}: the recipe has no section {parents[-1]!r}.")
    here[_key(here, last, dotted) if isinstance(here, list) else last] = _value(text, dotted)


def _key(here: Any, key: str, dotted: str) -> str | int:
    """The key as its container knows it: a name in a section, a number in a list."""
    if isinstance(here, list):
        if key.isdigit() and int(key) < len(here):
            return int(key)
        raise RecipeError(f"--set {dotted}: the list has no entry {key!r}. It has entries 0 to {len(here) - 1}.")
    if not isinstance(here, dict) or key not in here:
        raise RecipeError(f"--set {dotted}: the recipe has no section {key!r}.")
    return key


def _value(text: str, dotted: str) -> Any:
    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError:
        raise RecipeError(f"--set {dotted}: {text!r} is no YAML value.") from None


def _checked(model: type[Model], values: Mapping[str, Any], where: str) -> Model:
    try:
        return model.model_validate_json(json.dumps(values))
    except ValidationError as error:
        raise RecipeError(f"{where}: {_sentence(model, error)}") from None


def _sentence(model: type[BaseModel], error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{key} is not a key of a recipe.{_suggestion(model, first['loc'])}"
    if first["type"] == "missing":
        return f"{key} is missing. Add it."
    if first["type"] == "value_error":
        return f"{key} {first['ctx']['error']}."
    received = f"{first['input']!r} ({type(first['input']).__name__})"
    return f"{key} must be {_expected(first['msg'])}. Received: {received}."


def _expected(message: str) -> str:
    for lead in ("Input should be ", "Value should have "):
        message = message.removeprefix(lead)
    return message


def _suggestion(model: type[BaseModel], loc: tuple[int | str, ...]) -> str:
    known: list[str] = list(model.model_fields)
    if len(loc) > 1:
        section = {"external": SourceParams, "phantom": PhantomParams, "gates": GateParams}.get(str(loc[0]))
        kind = section or model.model_fields[str(loc[0])].annotation
        known = list(getattr(kind, "model_fields", {}))
    close = difflib.get_close_matches(str(loc[-1]), known, n=1)
    return f" Did you mean {close[0]}?" if close else f" Known here: {', '.join(sorted(known))}."
