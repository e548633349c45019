"""Stage 5: measure the released file itself on images it never saw, hold the figures against the gates, and report."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipelines.architecture.files import read_architecture
from pipelines.card import Card
from pipelines.errors import DataError, ModelError
from pipelines.gallery import Tile, gallery, sheet
from pipelines.gates import check
from pipelines.inference import Classifier
from pipelines.metrics import measure
from pipelines.plot_style import as_png
from pipelines.plots import plots
from pipelines.plots_data import shortcuts as shortcut_plot
from pipelines.predictions import tabulate
from pipelines.prepared import read_split
from pipelines.recipe import GateParams, LabelParams
from pipelines.report import SHORTCUTS, as_text, render
from pipelines.stage import command, fresh_folder

READS = ("pipelines/architecture/table.html.j2", "pipelines/report.html.j2")


def run(
    prepared: Path,
    model: Path,
    shortcuts: Path,
    evaluation: Path,
    labels: LabelParams,
    gates: tuple[GateParams, ...],
) -> None:
    """Measure `model.onnx` on `test`, and on `external` where there is one.

    The threshold, the refer band and what is familiar come from the model's card. A gate that fails is written down
    and printed, and stops a release later; the stage itself ends well. What gives the label away without the film
    (`shortcuts`, of the validate stage) is shown beside the figures, as they cannot be read without it.

    Raises:
        DataError: a split is missing, empty, or not of the form that the model takes; or there is no shortcut audit.
        ModelError: the model knows other labels than the recipe, or gives no probabilities.
        ReleaseError: the model or its card is missing or changed.
    """
    classifier, audited = Classifier(model), read_shortcuts(shortcuts)
    _check_labels(classifier.card, labels)
    found = {split: predict(classifier, prepared, split) for split in splits(prepared)}
    tables = {split: table for split, (table, _) in found.items()}
    tiles = {split: shown for split, (_, shown) in found.items()}
    metrics = {split: measure(table, labels, classifier.card.threshold) for split, table in tables.items()}
    verdict = check(metrics, gates)
    with fresh_folder(evaluation) as folder:
        pd.concat(tables.values(), ignore_index=True).to_parquet(folder / "probabilities.parquet", index=False)
        write_json(metrics, folder / "metrics.json")
        write_json(verdict, folder / "gates.json")
        figures = {**plots(tables, metrics, classifier.card), SHORTCUTS: shortcut_plot(audited)}
        pictures = {name: as_png(figure) for name, figure in figures.items()}
        for name, data in pictures.items():
            (folder / f"{name}.png").write_bytes(data)
        sheet(tiles).save(folder / "gallery.png")
        again = _command(classifier.card, prepared=prepared, model=model, shortcuts=shortcuts, evaluation=evaluation)
        layers = read_architecture(model / "architecture")
        page = render(classifier.card, metrics, verdict, pictures, tiles, audited, layers, again)
        (folder / "report.html").write_text(page, encoding="utf-8")
    print(as_text(metrics, verdict))


def splits(prepared: Path) -> list[str]:
    """The splits to measure: `test`, and `external` where it was prepared."""
    return ["test", "external"] if (prepared / "external.npy").exists() else ["test"]


def predict(classifier: Classifier, prepared: Path, split: str) -> tuple[pd.DataFrame, dict[str, list[Tile]]]:
    """The table of predictions of a split, and the tiles of its gallery."""
    images, rows = read_split(prepared, split)
    _check_images(images, classifier.card, prepared / f"{split}.npy")
    answers = classifier.answer_all(images)
    table = tabulate(rows, answers, classifier.card)
    return table, gallery(table, images, answers.heatmap, classifier.card)


def read_shortcuts(path: Path) -> dict[str, Any]:
    """The shortcut audit as the validate stage wrote it.

    Raises:
        DataError: it is missing or damaged.
    """
    try:
        audited: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"There is no {path}. Run the validate stage first.") from None
    except ValueError as error:
        raise DataError(f"{path} is not JSON ({error}). Run the validate stage again.") from None
    if missing := {"limit", "severity", "note", "properties", "together"} - set(audited):
        raise DataError(f"{path} does not say {', '.join(sorted(missing))}. Run the validate stage again.")
    return audited


def write_json(values: Mapping[str, Any], path: Path) -> None:
    """Write JSON that any reader takes; a figure that is no number is a fault here, not there."""
    path.write_text(json.dumps(values, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _check_labels(card: Card, labels: LabelParams) -> None:
    if card.labels != labels:
        raise ModelError(
            f"The model was trained for {', '.join(card.labels.names)} (positive: {card.labels.positive}), the recipe "
            f"has {', '.join(labels.names)} (positive: {labels.positive}). Train again with this recipe."
        )


def _check_images(images: np.ndarray, card: Card, file: Path) -> None:
    if not len(images):
        raise DataError(f"{file} holds no image. Put images into this split and run the preprocess stage again.")
    expected = (card.image.height, card.image.width, card.image.channels)
    if images.shape[1:] != expected:
        raise DataError(
            f"{file} holds images of {_form(images.shape[1:])}, the model takes {_form(expected)}. Train again."
        )


def _form(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _command(card: Card, **paths: Path) -> str:
    options = [f"--{name} {path.as_posix()}" for name, path in paths.items()]
    return " \\\n  ".join([f"python -m pipelines.evaluate --recipe recipes/{card.recipe}.yaml", *options])


if __name__ == "__main__":
    command(run)
