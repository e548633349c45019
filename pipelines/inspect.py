"""The architecture of a recipe's network as a page: every layer by the formulas and as it is, filters, feature maps.

    python -m pipelines.inspect --recipe mnist

It shows the trained network where there is one, and an untrained one otherwise, and says which. It changes nothing.
"""

import argparse
import pickle
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.architecture.files import read_architecture
from pipelines.architecture.write import write_architecture
from pipelines.errors import DataError
from pipelines.page import rendered
from pipelines.prepared import read_split
from pipelines.recipe import ImageParams, Recipe
from pipelines.recipe_file import load
from pipelines.sentences import in_one_sentence
from pipelines.stage import fresh_file
from pipelines.training.learner import Learner
from pipelines.training.learners import learner_of

PAGES = Path(".filmgate/architecture")
HEADINGS = (
    "layer",
    "filter",
    "stride",
    "padding",
    "formula",
    "size",
    "formula",
    "parameters",
    "field",
    "multiply-adds",
)
# What Keras and PyTorch raise for a file that is damaged, or of another network.
MISFITS = (OSError, ValueError, TypeError, KeyError, RuntimeError, pickle.UnpicklingError, zipfile.BadZipFile)


def inspect(root: Path, recipe: str) -> Path:
    """Write the page of a recipe.

    Args:
        root: the project.
        recipe: its name, or the path of its file.
    Returns:
        The page, `.filmgate/architecture/<name>.html`.
    Raises:
        FilmgateError: there is no such recipe, or its network cannot be built.
    """
    file = recipe_file(root, recipe)
    numbers, data = load(file), root / "data" / file.stem
    learner, weights = network_of(numbers, data / "model")
    image, film = film_of(data / "prepared", numbers.image)
    with tempfile.TemporaryDirectory() as folder:
        write_architecture(Path(folder), learner, image)
        architecture = read_architecture(Path(folder))
    assert architecture is not None
    print(as_text(architecture), "", weights, film, sep="\n")
    page = root / PAGES / f"{file.stem}.html"
    with fresh_file(page) as beside:
        facts = {"recipe": file.stem, "weights": weights, "film": film, "architecture": architecture}
        beside.write_text(rendered("architecture/page.html.j2", facts), encoding="utf-8")
    return page


def recipe_file(root: Path, recipe: str) -> Path:
    """The file of a recipe that is given by its name or by its path."""
    path = Path(recipe)
    return path if path.suffix in (".yaml", ".yml") else root / "recipes" / f"{recipe}.yaml"


def network_of(recipe: Recipe, model: Path) -> tuple[Learner, str]:
    """The recipe's network, with the weights of its last training where they fit, and words for which these are.

    Args:
        model: the folder that the train stage writes.
    Raises:
        FilmgateError: it cannot be built.
    """

    def built() -> Learner:
        return learner_of(recipe.model, recipe.image, recipe.labels, recipe.augment, recipe.train)

    learner = built()
    try:
        if learner.load(model):
            return learner, "Weights: those of the last training."
    except MISFITS:  # some weights may be taken already, so that the network is built anew
        return (
            built(),
            f"{model} is of another network than the recipe's: the weights are the initial ones. Train again.",
        )
    return learner, "Not trained yet: the weights are the initial ones."


def film_of(prepared: Path, image: ImageParams) -> tuple[np.ndarray, str]:
    """The first training image, or a drawn pattern where none is prepared as the recipe says, and words for it."""
    shape = (image.height, image.width, image.channels)
    try:
        films = read_split(prepared, "train")[0]
    except DataError:
        return pattern(shape), "Film: a drawn pattern, because no training image is prepared yet."
    if films.shape[1:] != shape or not len(films):
        return pattern(shape), f"Film: a drawn pattern, because {prepared} holds other images than the recipe asks for."
    return np.array(films[0]), "Film: the first training image."


def pattern(shape: tuple[int, int, int]) -> np.ndarray:
    """Rings that grow finer outwards, (height, width, channels) uint8: edges of every direction and many widths."""
    height, width, channels = shape
    rows, columns = np.indices((height, width))
    distance = np.hypot(rows - height / 2, columns - width / 2) / max(height, width)
    rings = 127.5 + 127.5 * np.cos(12 * np.pi * distance * (1 + 2 * distance))
    return np.repeat(rings[:, :, np.newaxis], channels, axis=2).astype(np.uint8)


def as_text(architecture: dict[str, Any]) -> str:
    """The layers as a table for a terminal."""
    rows: list[tuple[str, ...]] = [(*HEADINGS, "")]
    for layer in architecture["layers"]:
        if layer["listed"]:
            rows.append(_cells(layer))
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    totals = architecture["totals"]
    lines.append(
        f"{architecture['name']}: depth {totals['depth']}, {totals['parameters']:,} parameters, "
        f"{totals['multiply_adds']:,} multiply-adds"
    )
    return "\n".join(lines)


def _cells(layer: dict[str, Any]) -> tuple[str, ...]:
    sizes = (layer["size_by_formula"], layer["size"])
    parameters = (layer["parameters_by_formula"], layer["parameters"])
    return (
        layer["name"],
        layer["filter"],
        str(layer["stride"] or ""),
        layer["padding"],
        *("-" if size is None else "x".join(map(str, size)) for size in sizes),
        *("-" if count is None else f"{count:,}" for count in parameters),
        str(layer["receptive_field"]) if layer["filter"] else "",
        f"{layer['multiply_adds']:,}" if layer["multiply_adds"] else "",
        "" if layer["agrees"] else "differs",
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the page from the command line; the exit status is 1 when that cannot be done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", required=True, help="its name, or the path of its file")
    chosen = parser.parse_args(arguments)
    with in_one_sentence():
        page = inspect(Path(), chosen.recipe)
    print(f"\n  page   {page}")


if __name__ == "__main__":
    main()
