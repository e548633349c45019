"""The pages and pictures of an evaluation, written into its folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.architecture.files import read_architecture
from pipelines.card import Card
from pipelines.errors import ModelError
from pipelines.evaluation import failures_page, report
from pipelines.evaluation.answered import Answered, Films
from pipelines.evaluation.failures import Training, failures, suspects
from pipelines.evaluation.features import pooled_features
from pipelines.evaluation.gallery import sheet
from pipelines.evaluation.plots import plots
from pipelines.evaluation.plots_data import shortcuts as shortcut_plot
from pipelines.evaluation.predictions import called, tabulate
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
        margin: of non-inferiority.
        evaluation: folder of the record, as a command line names it.
        command: the command line that measures everything again.
    """

    shortcuts: Mapping[str, Any]
    model: Path
    margin: float
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
    (folder / REPORT).write_text(report.render(card, record, beside.margin, shown), encoding="utf-8")


def write_failures(
    folder: Path, found: Mapping[str, Answered], films: Films, classifier: Classifier, model: Path
) -> None:
    """Write the page of failures, and `suspects.csv`, the labels that may be wrong, of validation as well.

    Raises:
        ModelError: the features that were kept are not those of the training images.
    """
    card, training = classifier.card, _training(films, model)
    shown, counts = {}, {}
    for split, one in found.items():
        features = pooled_features(model / "model.onnx", one.images) if training else None
        shown[split] = failures(one.table, one.images, one.heat, features, training, card)
        wrong = called(one.table, card.labels, card.threshold) != one.table["target"].to_numpy()
        counts[split] = int(wrong.sum())
    tables = {split: one.table for split, one in found.items()}
    if "val" in films.rows:
        pixels, rows = read_split(films.prepared, "val")
        tables = {"val": tabulate(rows, classifier.answer_all(pixels), card), **tables}
    suspect, unknown = suspects(tables, card.labels)
    suspect.to_csv(folder / "suspects.csv", index=False, float_format="%.6g", lineterminator="\n")
    page = failures_page.render_failures(card, shown, counts, suspect, unknown)
    (folder / FAILURES).write_text(page, encoding="utf-8")


def _training(films: Films, model: Path) -> Training | None:
    """The training images with their features; None where these were not kept."""
    file = model / "features.npy"
    if "train" not in films.rows or not file.is_file():
        return None
    pixels, rows = read_split(films.prepared, "train")
    features = np.load(file)
    if len(features) != len(rows):
        raise ModelError(f"{file} is of {len(features)} images, the training split has {len(rows)}. Train again.")
    return Training(pixels, rows, features)
