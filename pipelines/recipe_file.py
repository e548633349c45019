"""Reading recipes, strictly: an unknown key, a missing key or a wrong type is a RecipeError that names the key.

Files are YAML 1.2, as DVC reads them, so that `1e-4` is a number for both.
"""

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.representer import RoundTripRepresenter

from pipelines.errors import RecipeError
from pipelines.recipe import Recipe
from pipelines.recipe_models import ModelParams
from pipelines.recipe_sources import SourceParams
from pipelines.section import Section

SOURCES = {get_args(kind.model_fields["kind"].annotation)[0]: kind for kind in get_args(get_args(SourceParams)[0])}
MODELS = {
    name: kind for kind in get_args(get_args(ModelParams)[0]) for name in get_args(kind.model_fields["name"].annotation)
}
CHOICES = {"kind": SOURCES, "name": MODELS}  # by the key that says which section it is
CHOSEN = {"source": "kind", "external": "kind", "model": "name"}
Model = TypeVar("Model", bound=BaseModel)


class Entrant(Section):
    """A network of a comparison: a `model` section, and its own rate, or null for that of the recipe."""

    model: ModelParams
    learning_rate: Annotated[float, Field(gt=0)] | None


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


def load_entrants(path: Path) -> dict[str, Entrant]:
    """Read a file of networks to compare, by name.

    Raises:
        RecipeError: the file is missing, or a section does not fit.
    """
    return {name: _checked(Entrant, section, str(path)) for name, section in read_yaml(path).items()}


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


def edit(path: Path, assignments: Sequence[str]) -> None:
    """Write `section.key=value` assignments into a recipe, whose comments stay; nothing is checked.

    Raises:
        RecipeError: an assignment is malformed.
    """
    if not assignments:
        return
    keeper: Any = YAML()
    keeper.preserve_quotes, keeper.width = True, 10_000
    keeper.indent(mapping=2, sequence=4, offset=2)
    keeper.Representer = _WithNull
    values = keeper.load(path.read_text(encoding="utf-8"))
    for assignment in assignments:
        _assign(values, assignment)
    with path.open("w", encoding="utf-8") as file:
        keeper.dump(values, file)


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


class _WithNull(RoundTripRepresenter):
    """Writes null where ruamel.yaml would write nothing."""


def _null(representer: Any, value: None) -> Any:
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")


_WithNull.add_representer(type(None), _null)


def write_yaml(values: Mapping[str, Any], path: Path) -> None:
    """Write a mapping as YAML 1.2."""
    writer: Any = YAML(typ="safe", pure=True)
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
    place: Any = _key(here, last, dotted) if isinstance(here, list) else last
    here[place] = _value(text, dotted)


def _key(here: Any, key: str, dotted: str) -> Any:
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
    key = ".".join(str(part) for part in _written(first["loc"]))
    if first["type"] == "extra_forbidden":
        return f"{key} is not a key of a recipe.{_suggestion(model, first['loc'])}"
    if first["type"] == "missing":
        return f"{key} is missing. Add it."
    if first["type"] == "value_error":
        return f"{key} {first['ctx']['error']}."
    if first["type"] == "union_tag_invalid":
        return f"{key}.{_choice(key)}. Received: {first['ctx']['tag']!r}."
    if first["type"] == "union_tag_not_found":
        return f"{key}.{CHOSEN[key]} is missing. Add one of {', '.join(CHOICES[CHOSEN[key]])}."
    received = f"{first['input']!r} ({type(first['input']).__name__})"
    return f"{key} must be {_expected(first['msg'])}. Received: {received}."


def _choice(section: str) -> str:
    return f"{CHOSEN[section]} must be one of {', '.join(CHOICES[CHOSEN[section]])}"


def _written(loc: Sequence[int | str]) -> list[int | str]:
    """Where a value stands in the file; the kind of a section, which stands second, is no key of its own."""
    return [part for place, part in enumerate(loc) if not (place == 1 and loc[0] in CHOSEN)]


def _expected(message: str) -> str:
    for lead in ("Input should be ", "Value should have "):
        message = message.removeprefix(lead)
    return message


def _suggestion(model: type[BaseModel], loc: Sequence[int | str]) -> str:
    known = list(_keys(model, loc[:-1]))
    close = difflib.get_close_matches(str(loc[-1]), known, n=1)
    return f" Did you mean {close[0]}?" if close else f" Known here: {', '.join(sorted(known))}."


def _keys(model: type[BaseModel], path: Sequence[int | str]) -> Iterable[str]:
    """Keys that a recipe may have at a place."""
    here: Any = model
    for part in path:
        fields = getattr(here, "model_fields", {})
        inner = SOURCES.get(str(part)) or MODELS.get(str(part)) or getattr(fields.get(str(part)), "annotation", here)
        models = [one for one in (inner, *get_args(inner)) if hasattr(one, "model_fields")]
        here = models[0] if models else here
    return getattr(here, "model_fields", {})
