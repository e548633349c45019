"""Stage 4: train, choose the threshold on validation, and write the model with its card as one proven file."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipelines.architecture.write import write_architecture
from pipelines.card import Card, Decision, Familiarity, Limits, sha256
from pipelines.export.familiarity import distances, feature_statistics
from pipelines.export.layout import bake_layout, layout_of
from pipelines.export.onnx_file import note_in
from pipelines.export.quantised import differences, quantise
from pipelines.export.randomised import randomisation
from pipelines.export.temperature import bake, fit_temperature
from pipelines.inference import Answers, Graph
from pipelines.manifest import read_manifest
from pipelines.prepared import read_split
from pipelines.recipe import (
    AugmentParams,
    ImageParams,
    LabelParams,
    ModelParams,
    ServeParams,
    ThresholdParams,
    TrainParams,
)
from pipelines.stage import command, fresh_folder
from pipelines.threshold import OperatingPoint, operating_point, promise_in_words
from pipelines.training.checkpoint import Checkpoints
from pipelines.training.course import best_of
from pipelines.training.devices import is_chief
from pipelines.training.identity import identity
from pipelines.training.labelled import Labelled, labelled
from pipelines.training.learner import Learner
from pipelines.training.learners import learner_of
from pipelines.usual import COLUMNS, beyond_limits, limits_of, reference

CHECKPOINT_SECONDS = 30.0
PARITY_IMAGES = 32
DECISION = "filmgate.decision"  # in the metadata of the model file


def run(
    manifest: Path,
    prepared: Path,
    trained: Path,
    cache: Path,
    recipe: str,
    title: str,
    labels: LabelParams,
    image: ImageParams,
    augment: AugmentParams,
    model: ModelParams,
    train: TrainParams,
    threshold: ThresholdParams,
    serve: ServeParams,
) -> None:
    """Train on `train`, choose epoch and threshold on `val`; write the model, `model.onnx`, card and history.

    `features.npy`, (n, channels) float16, holds the `directions` of the pooled features, in the order of `train.npy`.

    A run that was broken off goes on where its last checkpoint in `cache` stands, and one that ended is not repeated,
    as long as data, code and the numbers that decide it are the same.

    The model file is proven equal to the model in single precision; then it gets the second distance, its precision
    and its temperature. Everything in the card is measured on the file that these leave. What is decided with is noted
    in the file at last, so that the same network with another threshold is another version.
    """
    learn, check = (labelled(prepared, split, labels) for split in ("train", "val"))
    learner = learner_of(model, image, labels, augment, train)
    print(f"{learner.name}: {learner.parameters:,} parameters, {len(learn.targets)} training images", flush=True)
    key = identity(prepared, (image, labels, augment, model, train))
    history = learner.fit(learn, check, Checkpoints(cache / "training", key, CHECKPOINT_SECONDS))
    if not is_chief():
        return
    features = learner.features(learn.images)
    statistics = feature_statistics(features)
    with fresh_folder(trained) as folder:
        onnx = folder / "model.onnx"
        proof = write_model(onnx, learner, (learn.images, check.images), features, serve.layout)
        proof |= in_precision(serve.precision, onnx, learn.images, check.images, train.seed)
        write_beside(folder, learner, features, np.array(learn.images[0]), history, train.monitor)
        answers, temperature = calibrated(onnx, check, labels, threshold)
        rng = np.random.default_rng(train.seed)
        randomised = randomisation(learner, statistics, check.images, answers.heatmap, rng)
        point = chosen(answers, check, labels, patients_of(prepared), threshold)
        limits, beyond = learnt_limits(manifest, prepared)
        known = reference(answers.distance, beyond, serve.refuse)
        decision = decided_with(point, known, limits, full_strength(answers, check, labels))
        note_in(onnx, DECISION, decision.model_dump_json())
        digest = sha256(onnx)
        card = Card(
            recipe=recipe,
            title=title,
            version=digest[:12],
            sha256=digest,
            labels=labels,
            image=image,
            **dict(decision),
            facts=_facts(prepared, learner, history, train)
            | proof
            | {"randomisation": randomised}
            | _operating_facts(point, temperature),
        )
        card.write(folder / "card.json")
    print(f"{trained}: version {card.version}{in_words(card)}")


def write_beside(
    folder: Path,
    learner: Learner,
    features: np.ndarray,
    image: np.ndarray,
    history: list[dict[str, Any]],
    monitor: str,
) -> None:
    """Write the framework's own file, the features, the course of training, and what the network is made of.

    Args:
        image: (height, width, channels) uint8, to show what the network makes of it.
    """
    learner.save(folder)
    np.save(folder / "features.npy", directions(features))
    (folder / "architecture").mkdir()
    write_architecture(folder / "architecture", learner, image)
    pd.DataFrame(history).to_csv(folder / "history.csv", index=False)
    write_validation(folder / "validation.json", history, monitor)


def decided_with(point: OperatingPoint | None, known: Familiarity, limits: Limits, heat_scale: float) -> Decision:
    """What is decided with, from the operating point (None with more than two classes) and what is usual."""
    threshold, refer = (point.threshold, point.refer) if point else (None, None)
    return Decision(threshold=threshold, refer=refer, familiarity=known, limits=limits, heat_scale=heat_scale)


def directions(features: np.ndarray) -> np.ndarray:
    """Features (n, channels) brought to length one, float16, which holds them so whatever their scale."""
    lengths = np.linalg.norm(features.astype(np.float64), axis=1, keepdims=True)
    return (features / np.where(lengths > 0, lengths, 1)).astype(np.float16)


def in_words(card: Card) -> str:
    """Threshold, refer band and what is proven of the threshold, where the card has them."""
    if card.threshold is None:
        return ""
    refer = "" if card.refer is None else f", refer band {card.refer[0]:.4f} to {card.refer[1]:.4f}"
    return f", threshold {card.threshold:.4f}{refer}{promise_in_words(card.facts['operating_point'])}"


def write_validation(file: Path, history: list[dict[str, Any]], monitor: str) -> None:
    """Write what the kept epoch reached on validation: what runs are compared by."""
    best = best_of(history, monitor)
    told = {name: best[f"val_{name}"] for name in ("auc", "accuracy", "loss")}
    told["epoch"] = history.index(best) + 1
    file.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def calibrated(onnx: Path, check: Labelled, labels: LabelParams, rule: ThresholdParams) -> tuple[Answers, float | None]:
    """What the model file says of validation, and the temperature put into it first; None where none is asked for."""
    answers = Graph(onnx).answer_all(check.images)
    if not rule.temperature:
        return answers, None
    columns = check.targets if labels.positive_index != 0 else 1 - check.targets
    temperature = fit_temperature(columns, answers.probability)
    bake(onnx, temperature)
    return Graph(onnx).answer_all(check.images), temperature


def chosen(
    answers: Answers, check: Labelled, labels: LabelParams, patients: np.ndarray, rule: ThresholdParams
) -> OperatingPoint | None:
    """Threshold and refer band from validation; None with more than two classes."""
    if labels.positive is None:
        return None
    return operating_point(check.targets == 1, answers.probability[:, labels.positive_index], patients, rule)


def patients_of(prepared: Path) -> np.ndarray:
    """A number for the patient of each validation image; a patient's name is good within a site alone."""
    rows = read_split(prepared, "val")[1]
    return rows.groupby(["site", "patient_id"], dropna=False).ngroup().to_numpy()


def learnt_limits(manifest: Path, prepared: Path) -> tuple[Limits, np.ndarray]:
    """What pictures of training are like, and which validation images (n,) lie beyond."""
    known = read_manifest(manifest)[["image_id", *COLUMNS]]
    learn, check = (read_split(prepared, split)[1][["image_id"]].merge(known, how="left") for split in ("train", "val"))
    limits = limits_of(learn)
    return limits, beyond_limits(limits, check)


def write_model(
    onnx: Path, learner: Learner, images: tuple[np.ndarray, np.ndarray], features: np.ndarray, layout: bool
) -> dict[str, Any]:
    """Write the model file, prove it equal to the model, and give it the second distance where that is asked for.

    Args:
        images: of training and of validation.
        features: pooled, of the images of training.
    Returns:
        `parity`, the largest differences that were found, by output; `layout`.
    """
    statistics, (learn, check) = feature_statistics(features), images
    parity = learner.export(onnx, statistics, np.asarray(check[:PARITY_IMAGES]))
    if layout:
        bake_layout(onnx, layout_of(learn), float(np.median(distances(features, statistics))))
    return {"parity": parity, "layout": layout}


def in_precision(precision: str, onnx: Path, learn: np.ndarray, check: np.ndarray, seed: int) -> dict[str, Any]:
    """Bring the model file to its precision.

    Returns:
        `precision`, and `quantisation`: how far its answers to validation then lie off, None in float32.
    """
    if precision == "float32":
        return {"precision": precision, "quantisation": None}
    exact = Graph(onnx).answer_all(check)
    quantise(onnx, learn, np.random.default_rng(seed))
    return {"precision": precision, "quantisation": differences(exact, Graph(onnx).answer_all(check))}


def full_strength(answers: Answers, check: Labelled, labels: LabelParams) -> float:
    """The peak heat of a usual validation image of the positive class (of any class, with more than two)."""
    chosen = check.targets == 1 if labels.positive else np.ones(len(check.targets), dtype=bool)
    return float(np.median(answers.heatmap[chosen].max(axis=(1, 2))))


def _facts(
    prepared: Path,
    learner: Learner,
    history: list[dict[str, Any]],
    train: TrainParams,
) -> dict[str, Any]:
    """Numbers for people: on what and how the model was trained."""
    best = best_of(history, train.monitor)
    return {
        "data": {split: _split_facts(prepared, split) for split in ("train", "val")},
        "training": {
            "architecture": learner.name,
            "parameters": learner.parameters,
            "epochs": len(history),
            "best_epoch": history.index(best) + 1,
            "validation_auc": best["val_auc"],
            "validation_accuracy": best["val_accuracy"],
        },
        "software": {name: version(name) for name in (learner.framework, "numpy", "onnxruntime")},
    }


def _operating_facts(point: OperatingPoint | None, temperature: float | None) -> dict[str, Any]:
    """What is said of the operating point; without one, with more than two classes, the temperature stands alone."""
    told = {"temperature": temperature}
    return told if point is None else {"operating_point": point.facts | told}


def _split_facts(prepared: Path, split: str) -> dict[str, Any]:
    rows = read_split(prepared, split)[1]
    return {
        "images": len(rows),
        "patients": len(rows[["site", "patient_id"]].drop_duplicates()),
        "labels": {str(label): int(count) for label, count in rows["label"].value_counts().items()},
        "sha256": sha256(prepared / f"{split}.npy"),
    }


if __name__ == "__main__":
    command(run)
