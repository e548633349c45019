"""The pages and pictures of an evaluation, written into its folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.architecture.files import read_architecture
from pipelines.card import Card, sha256
from pipelines.errors import ModelError
from pipelines.evaluation import failures_page, report
from pipelines.evaluation.answered import Answered, Films
from pipelines.evaluation.failures import MOST, Training, called_wrongly, failures, nearest, suspects
from pipelines.evaluation.features import pooled_features
from pipelines.evaluation.gallery import sheet
from pipelines.evaluation.plots import plots
from pipelines.evaluation.plots_data import shortcuts as shortcut_plot
from pipelines.evaluation.predictions import tabulate
from pipelines.evaluation.record import Record
from pipelines.inference import Classifier
from pipelines.plot_style import as_png
from pipelines.prepared import read_split

REPORT, FAILURES = "report.html", "failures.html"
READS = (*report.READS, *failures_page.READS)


@dataclass(frozen=True)
class Beside:
    """What the report tells beside the record.

    Args:
        shortcuts: what shortcuts.json holds.
        model: folder of the model.
        evaluation: folder of the record, as a command line names it.
        command: the command line that measures everything again.
    """

    shortcuts: Mapping[str, Any]
    model: Path
    evaluation: str
    command: str


def write_report(folder: Path, found: Mapping[str, Answered], record: Record, card: Card, beside: Beside) -> None:
    """Write the plots, the gallery and the report."""
    tables = {split: one.table for split, one in found.items()}
    tiles = {split: one.tiles for split, one in found.items()}
    figures = {**plots(tables, record.metrics, card), report.SHORTCUTS: shortcut_plot(beside.shortcuts)}
    pictures = {name: as_png(figure) for name, figure in figures.items()}
    for name, data in pictures.items():
        (folder / f"{name}.png").write_bytes(data)
    sheet(tiles).save(folder / "gallery.png")
    layers = read_architecture(beside.model / "architecture")
    shown = report.Shown(pictures, tiles, beside.shortcuts, layers, FAILURES, beside.evaluation, beside.command)
    (folder / REPORT).write_text(report.render(card, record, shown), encoding="utf-8")


def write_failures(
    folder: Path, found: Mapping[str, Answered], films: Films, classifier: Classifier, model: Path
) -> None:
    """Write the page of failures, and `suspects.csv`, the labels that may be wrong, of validation as well.

    Raises:
        ModelError: the features that were kept are not those of the training images.
    """
    card, training = classifier.card, _training(films, model, classifier.card)
    shown, counts = {}, {}
    for split, one in found.items():
        wrong = called_wrongly(one.table, card)
        rows, counts[split] = wrong[:MOST], len(wrong)
        features = pooled_features(model / "model.onnx", one.images[rows]) if training and rows else None
        near = nearest(features, training) if training and features is not None else None
        shown[split] = failures(one.table.iloc[rows], one.images[rows], one.heat[rows], near, card)
    tables = {split: one.table for split, one in found.items()}
    images = {split: one.images for split, one in found.items()}
    if "val" in films.rows:
        images["val"], _ = read_split(films.prepared, "val")
        tables = {"val": tabulate(films.rows["val"], classifier.answer_all(images["val"]), card), **tables}
    suspect, unknown = suspects(tables, card.labels)
    suspect.drop(columns="row").to_csv(folder / "suspects.csv", index=False, float_format="%.6g", lineterminator="\n")
    page = failures_page.render_failures(card, shown, counts, suspect, unknown, images)
    (folder / FAILURES).write_text(page, encoding="utf-8")


def _training(films: Films, model: Path, card: Card) -> Training | None:
    """The training images with their features; None where these were not kept."""
    file = model / "features.npy"
    if "train" not in films.rows or not file.is_file():
        return None
    pixels, rows = read_split(films.prepared, "train")
    features = np.load(file)
    if len(features) != len(rows):
        raise ModelError(f"{file} is of {len(features)} images, the training split has {len(rows)}. Train again.")
    learnt = card.facts.get("data", {}).get("train", {}).get("sha256")
    if learnt is not None and learnt != sha256(films.prepared / "train.npy"):
        raise ModelError(f"{films.prepared / 'train.npy'} is not what the model learnt from. Train again.")
    return Training(pixels, rows, features)
