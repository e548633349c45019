"""The runs of a search: every combination of the values that a command line gives, or some of them at random."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipelines.errors import RecipeError
from pipelines.recipe_file import override


def combinations(grid: Sequence[str]) -> list[tuple[str, ...]]:
    """Every combination of the values of a grid, as `section.key=value` assignments.

    Args:
        grid: `section.key=value,value,...`, the values in YAML, so that `model.filters=[16,32],[32,64]` has two.
    Raises:
        RecipeError: one of them is malformed.
    """
    return list(itertools.product(*(_assignments(line) for line in grid)))


def sample(runs: Sequence[tuple[str, ...]], count: int, seed: int) -> list[tuple[str, ...]]:
    """Some of the runs, drawn without return (random search, Bergstra and Bengio 2012), in the order of the grid."""
    if count >= len(runs):
        return list(runs)
    chosen = np.random.default_rng(seed).choice(len(runs), count, replace=False)
    return [runs[place] for place in sorted(chosen)]


def check(recipe: Path, runs: Sequence[tuple[str, ...]]) -> None:
    """Find what does not fit a recipe before the first run begins.

    Raises:
        RecipeError: a run would have a recipe that is not valid.
    """
    for run in runs:
        override(recipe, run)


def _assignments(line: str) -> list[str]:
    key, equals, text = line.partition("=")
    if not (equals and key and text):
        raise RecipeError(f"--grid takes section.key=value,value. Received: {line!r}.")
    try:
        values = YAML(typ="safe", pure=True).load(f"[{text}]")
    except YAMLError:
        raise RecipeError(f"--grid {key}: {text!r} is no list of YAML values.") from None
    return [f"{key}={_written(value)}" for value in values]


def _written(value: object) -> str:
    """A value as YAML writes it on one line."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_written(part)}' for key, part in value.items())}}}"
    return str(value)
