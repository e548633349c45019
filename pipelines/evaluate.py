"""Stage 5: measure the released file itself on images it never saw, hold the figures against the gates, and report."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from pipelines.card import Card
from pipelines.errors import DataError, ModelError
from pipelines.evaluation.answered import Films, answered
from pipelines.evaluation.champion import read_champion, terms_of
from pipelines.evaluation.dvc_plots import write_dvc_plots
from pipelines.evaluation.figures_text import as_text
from pipelines.evaluation.files import as_json
from pipelines.evaluation.masks import check_some
from pipelines.evaluation.model_figures import model_figures
from pipelines.evaluation.pages import READS, Beside, write_failures, write_report
from pipelines.evaluation.predictions import write_record
from pipelines.evaluation.record import Terms, record
from pipelines.evaluation.rules import Rules
from pipelines.inference import Classifier
from pipelines.manifest import SPLITS, read_manifest
from pipelines.prepared import read_split
from pipelines.recipe import GateParams, LabelParams, MeasureParams, ThresholdParams
from pipelines.stage import command, fresh_folder
from pipelines.usual import COLUMNS

__all__ = ["READS", "run"]

MEASURED = ("test", "external")
TOLD = ["image_id", "form", "index", "sha256", "width", "height", *COLUMNS]  # of the manifest, beside what was prepared


def run(
    raw: Path,
    manifest: Path,
    prepared: Path,
    model: Path,
    shortcuts: Path,
    production: Path,
    evaluation: Path,
    recipe: str,
    labels: LabelParams,
    threshold: ThresholdParams,
    gates: tuple[GateParams, ...],
    measure: MeasureParams,
) -> None:
    """Measure `model.onnx` on `test`, and on `external` where there is one, beside the model in production.

    The threshold, the refer band and what is familiar come from the model's card. A gate that fails is written down
    and printed, and stops a release later; the stage itself ends well. What gives the label away without the film
    (`shortcuts`, of the validate stage) is shown beside the figures, as they cannot be read without it.

    Raises:
        DataError: a split is missing, empty, or not of the form that the model takes; a test image was trained on; a
            mask does not fit; or there is no shortcut audit.
        ModelError: the model knows other labels than the recipe, or gives no probabilities.
        ReleaseError: the model or its card is missing or changed, or the model in production is.
    """
    classifier, audited = Classifier(model), read_shortcuts(shortcuts)
    card = classifier.card
    _check_labels(card, labels)
    images = described(prepared, manifest)
    champion = read_champion(production, recipe, labels)
    films = Films(raw, prepared, images, measure)
    measured = [split for split in images if split in MEASURED]
    if measure.masks:
        check_some(raw, [path for split in measured for path in images[split]["path"]], measure.masks)
    found = {split: answered(split, films, classifier, champion) for split in measured}
    table = pd.concat([one.table for one in found.values()], ignore_index=True)
    terms = Terms(
        recipe=recipe,
        version=card.version,
        labels=labels,
        threshold=card.threshold,
        prevalences=measure.prevalences if labels.positive is not None else (),
        rules=Rules(threshold=threshold, gates=gates, margin=measure.margin),
        model=model_figures(model / "model.onnx", card, gates),
        champion=terms_of(champion, table),
    )
    result = record(table, terms)
    paths = {"raw": raw, "manifest": manifest, "prepared": prepared, "model": model, "shortcuts": shortcuts}
    again = _command(recipe, **paths, production=production, evaluation=evaluation)
    with fresh_folder(evaluation) as folder:
        write_record(table, terms.model_dump(mode="json"), folder / "probabilities.parquet")
        for name, content in result.files().items():
            (folder / name).write_text(as_json(content), encoding="utf-8")
        _images_behind(images).to_parquet(folder / "images.parquet", index=False)
        write_dvc_plots(folder, {split: one.table for split, one in found.items()}, labels, card.threshold)
        write_report(folder, found, result, card, Beside(audited, model, evaluation.as_posix(), again))
        write_failures(folder, found, films, classifier, model)
    print(as_text(result.metrics, result.gates))


def described(prepared: Path, manifest: Path) -> dict[str, pd.DataFrame]:
    """The rows of each prepared split with what the manifest knows of their files, in the order of the pixels.

    Raises:
        DataError: a test or external image was trained on, or chose the threshold: the same file, or the same pixels.
    """
    known = read_manifest(manifest)[TOLD]
    splits = [split for split in SPLITS if split == "test" or (prepared / f"{split}.npy").exists()]
    rows = {split: read_split(prepared, split)[1].merge(known, on="image_id", how="left") for split in splits}
    learnt = pd.concat([rows[split] for split in ("train", "val") if split in rows] or [known[:0]])
    for split in rows:
        if split in MEASURED:
            _check_unseen(rows[split], learnt, split)
    return rows


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


def _images_behind(images: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Which images trained the model, chose its threshold and measured it."""
    rows = pd.concat([rows.assign(split=split) for split, rows in images.items()])
    return rows[["split", "image_id", "label", "sha256"]]


def _check_unseen(rows: pd.DataFrame, learnt: pd.DataFrame, split: str) -> None:
    same = rows["image_id"].isin(learnt["image_id"])
    same |= rows["sha256"].notna() & rows["sha256"].isin(learnt["sha256"].dropna())
    if count := int(same.sum()):
        raise DataError(
            f"{count} {split} images were trained or validated on, e.g. {rows.loc[same, 'image_id'].iloc[0]}: figures "
            "on them would measure memory. Set checks.duplicate_across_splits to fail, and mend what it names."
        )


def _check_labels(card: Card, labels: LabelParams) -> None:
    if card.labels != labels:
        raise ModelError(
            f"The model was trained for {', '.join(card.labels.names)} (positive: {card.labels.positive}), the recipe "
            f"has {', '.join(labels.names)} (positive: {labels.positive}). Train again with this recipe."
        )


def _command(recipe: str, **paths: Path) -> str:
    options = [f"--{name} {path.as_posix()}" for name, path in paths.items()]
    return " \\\n  ".join([f"python -m pipelines.evaluate --recipe recipes/{recipe}.yaml", *options])


if __name__ == "__main__":
    command(run)
