"""Stage 4: train, choose the threshold on validation, and write the model with its card as one proven file."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from pipelines.card import Card, Familiarity, sha256
from pipelines.explain import feature_extractor, feature_statistics, inference_model
from pipelines.export import export, parity
from pipelines.inference import Answers, Graph
from pipelines.models import build
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
from pipelines.threshold import choose_threshold, refer_band
from pipelines.training import Labelled, fit, predict, repeatable

PARITY_IMAGES = 32
FAMILIARITY_STEPS = 201


def run(
    prepared: Path,
    trained: Path,
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
    """Train on `train`, choose epoch and threshold on `val`; write `model.keras`, `model.onnx`, card and history."""
    repeatable(train.seed)
    learn, check = (_labelled(prepared, split, labels) for split in ("train", "val"))
    network = build(model, image, labels)
    print(
        f"{network.name}: {network.count_params():,} parameters, {len(learn.targets)} training images",
        flush=True,
    )
    history = fit(network, learn, check, augment, train)
    features = predict(feature_extractor(network), learn.images)
    whole = inference_model(network, feature_statistics(features), labels.positive_index)
    with fresh_folder(trained) as folder:
        onnx = folder / "model.onnx"
        export(whole, onnx)
        differences = parity(whole, onnx, np.asarray(check.images[:PARITY_IMAGES]))
        network.save(folder / "model.keras")
        pd.DataFrame(history).to_csv(folder / "history.csv", index=False)
        answers, digest = Graph(onnx).answer_all(check.images), sha256(onnx)
        cut, refer = operating_point(answers, check, labels, threshold)
        card = Card(
            recipe=recipe,
            title=title,
            version=digest[:12],
            sha256=digest,
            labels=labels,
            image=image,
            threshold=cut,
            refer=refer,
            familiarity=reference(answers.distance, serve.refuse),
            heat_scale=full_strength(answers, check, labels),
            facts=_facts(prepared, network, history, differences),
        )
        card.write(folder / "card.json")
    print(f"{trained}: version {card.version}, threshold {card.threshold}, refer band {card.refer}")


def operating_point(
    answers: Answers, check: Labelled, labels: LabelParams, rule: ThresholdParams
) -> tuple[float | None, tuple[float, float] | None]:
    """Threshold and refer band from validation; both None with more than two classes."""
    if labels.positive is None:
        return None, None
    positive, probability = check.targets == 1, answers.probability[:, labels.positive_index]
    chosen = choose_threshold(positive, probability, rule)
    return chosen, refer_band(positive, probability, chosen, rule.refer_error)


def reference(distances: np.ndarray, refuse: float) -> Familiarity:
    """How far validation images lie from the training images."""
    shares = np.linspace(0, 1, FAMILIARITY_STEPS)
    quantiles = np.quantile(distances.astype(float), shares)
    return Familiarity(shares=tuple(shares.tolist()), distances=tuple(quantiles.tolist()), refuse=refuse)


def full_strength(answers: Answers, check: Labelled, labels: LabelParams) -> float:
    """The peak heat of a usual validation image of the positive class (of any class, with more than two)."""
    chosen = check.targets == 1 if labels.positive else np.ones(len(check.targets), dtype=bool)
    return float(np.median(answers.heatmap[chosen].max(axis=(1, 2))))


def _labelled(prepared: Path, split: str, labels: LabelParams) -> Labelled:
    """A split with its targets; with two classes, 1 is the positive one wherever it stands in the recipe."""
    images, rows = read_split(prepared, split)
    targets = rows["target"].to_numpy()
    return Labelled(images, (targets == labels.positive_index).astype(int) if labels.positive else targets)


def _facts(
    prepared: Path,
    network: keras.Model,
    history: list[dict[str, float]],
    differences: dict[str, float],
) -> dict[str, Any]:
    """Numbers for people: on what and how the model was trained, and how well its file repeats it."""
    best = max(history, key=lambda row: row["val_auc"])
    return {
        "data": {split: _split_facts(prepared, split) for split in ("train", "val")},
        "training": {
            "architecture": network.name,
            "parameters": network.count_params(),
            "epochs": len(history),
            "best_epoch": int(best["epoch"]),
            "validation_auc": best["val_auc"],
        },
        "parity": differences,
        "software": {name: version(name) for name in ("keras", "numpy", "onnxruntime")},
    }


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
