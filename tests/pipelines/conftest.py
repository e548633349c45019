"""A real model file of a few nodes with its card, and prepared splits that it answers, for the stages after training.

The model looks at brightness alone: the brighter a film, the more probable the positive class.
"""

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper

from pipelines.card import Card, Familiarity, sha256
from pipelines.evaluation.metrics import measure
from pipelines.evaluation.predictions import tabulate
from pipelines.evaluation.record import Terms
from pipelines.evaluation.rules import Rules
from pipelines.inference import Answers
from pipelines.recipe import ImageParams, LabelParams, ThresholdParams

BINARY = LabelParams(names=("NORMAL", "PNEUMONIA"), positive="PNEUMONIA")
CHOSEN = ThresholdParams(
    rule="youden", minimum=0.9, miss_cost=1.0, confidence=None, refer_error=0.05, temperature=False
)
MIDDLE, STEEPNESS = 100.0, 0.1


def brightness_model(path, classes=2):
    """Write a graph: image (n, h, w, 1) uint8 -> probability (n, classes), heatmap (n, h / 4, w / 4), distance (n,).

    Two classes: the logistic of 0.1 (brightness - 100) is the second. More: softmax, class k brightest at 50 k.
    """
    offsets = [-((50.0 * k) ** 2) / 500 for k in range(classes)] if classes > 2 else [0.0, -MIDDLE * STEEPNESS]
    slopes = [50.0 * k / 250 for k in range(classes)] if classes > 2 else [0.0, STEEPNESS]
    constants = {
        "axes": np.array([1, 2, 3]),
        "channel": np.array([1]),
        "slopes": np.array([slopes], dtype=np.float32),
        "offsets": np.array([offsets], dtype=np.float32),
        "middle": np.float32(MIDDLE),
        "wide": np.float32(20),
        "level": np.float32(120),
        "strong": np.float32(40),
        "column": np.array([1]),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["grey"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["grey", "axes"], ["mean"], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "column"], ["bright"]),
        helper.make_node("MatMul", ["bright", "slopes"], ["slope"]),
        helper.make_node("Add", ["slope", "offsets"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probability"], axis=1),
        helper.make_node("Transpose", ["grey"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["planes"], ["pooled"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Squeeze", ["pooled", "channel"], ["cells"]),
        helper.make_node("Sub", ["cells", "level"], ["above"]),
        helper.make_node("Relu", ["above"], ["hot"]),
        helper.make_node("Div", ["hot", "strong"], ["heatmap"]),
        helper.make_node("Sub", ["mean", "middle"], ["off"]),
        helper.make_node("Div", ["off", "wide"], ["scaled"]),
        helper.make_node("Mul", ["scaled", "scaled"], ["distance"]),
    ]
    graph = helper.make_graph(
        nodes,
        "brightness",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", "h", "w", 1])],
        [
            helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["n", classes]),
            helper.make_tensor_value_info("heatmap", TensorProto.FLOAT, ["n", "r", "c"]),
            helper.make_tensor_value_info("distance", TensorProto.FLOAT, ["n"]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)


def write_model(folder, labels=BINARY, side=16, **changes):
    """Write `model.onnx` and a card that fits it into a folder; `changes` are fields of the card."""
    folder.mkdir(parents=True)
    brightness_model(folder / "model.onnx", len(labels.names))
    card = card_of(labels, sha256(folder / "model.onnx"), side, **changes)
    card.write(folder / "card.json")
    return card


def write_split(prepared, split, films, targets, labels=BINARY):
    """Write films (n, h, w, 1) uint8 with their targets as a prepared split."""
    prepared.mkdir(parents=True, exist_ok=True)
    np.save(prepared / f"{split}.npy", films)
    rows_of(split, targets, labels).to_parquet(prepared / f"{split}.parquet", index=False)


STATISTICS = {
    "mean": 100.0,
    "std": 40.0,
    "dark": 0.0,
    "bright": 0.0,
    "border": 80.0,
    "colour": 0.0,
    "thumbnail": bytes(256),
}


def described_rows(split, targets, labels=BINARY):
    """The rows of a prepared split with what the manifest knows of their pixels: all of them are alike."""
    return rows_of(split, targets, labels).assign(**STATISTICS)


def rows_of(split, targets, labels=BINARY):
    """The rows of a prepared split, two films a patient; the second hospital knows views and ages."""
    n = len(targets)
    rows = {
        "image_id": [f"{split}/film-{number:04d}.png" for number in range(n)],
        "path": [f"{split}/film-{number:04d}.png" for number in range(n)],
        "label": [labels.names[target] for target in targets],
        "target": targets,
        "split": split,
        "patient_id": [f"p{number // 2}" for number in range(n)],
        "site": {"test": "riverside", "external": "hilltop"}[split],
        "view": [("PA", "AP")[number % 2] for number in range(n)] if split == "external" else None,
        "sex": None,
        "age": [40.0 + number % 30 for number in range(n)] if split == "external" else None,
    }
    return pd.DataFrame(rows)


def draw(rng, targets, side=16, gap=20.0):
    """Grey films (n, side, side, 1) that are brighter, by `gap` grey levels a class, the higher their target."""
    centre = MIDDLE + gap * (np.asarray(targets) - np.mean([0, max(targets)])) + rng.normal(0, 12, len(targets))
    grain = rng.normal(0, 10, (len(targets), side, side, 1))
    return np.clip(centre[:, None, None, None] + grain, 0, 255).astype(np.uint8)


def card_of(labels, digest="0" * 64, side=16, **changes):
    """A card for `side` x `side` grey films; `changes` are fields of it."""
    binary = labels.positive is not None
    fields = {
        "recipe": "tiny",
        "title": "Bright films",
        "version": digest[:12],
        "sha256": digest,
        "labels": labels,
        "image": ImageParams(levels="stored", height=side, width=side, channels=1, fit="pad"),
        "threshold": 0.5 if binary else None,
        "refer": (0.4, 0.6) if binary else None,
        "familiarity": Familiarity(shares=(0.0, 0.5, 1.0), distances=(0.0, 1.0, 16.0), refuse=0.005),
        "heat_scale": 1.0,
        "facts": {"training": {"epochs": 3, "validation_auc": 0.91}, "parity": {"probability": 1.2e-7}},
    }
    return Card(**(fields | changes))


def terms_of(labels, gates=(), **changes):
    """The terms of an evaluation of the card of `card_of`; `changes` are fields of them."""
    fields = {
        "recipe": "tiny",
        "version": "0" * 12,
        "labels": labels,
        "threshold": 0.5 if labels.positive is not None else None,
        "prevalences": (0.1,) if labels.positive is not None else (),
        "rules": Rules(threshold=CHOSEN, gates=tuple(gates), margin=0.03),
        "model": {"size_mb": 1.5, "parity": 1e-6},
        "champion": None,
    }
    return Terms(**(fields | changes))


@pytest.fixture
def measured(rng):
    """A function that imagines answers for the targets of each split: `(labels, **targets) -> card, tables, metrics`.

    The answers are right more often than not.
    """

    def imagine(labels, **splits):
        card, tables = card_of(labels), {}
        for split, targets in splits.items():
            logits = rng.normal(0, 1, (len(targets), len(labels.names)))
            logits[np.arange(len(targets)), targets] += 2
            chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
            answers = Answers(chances, rng.random((len(targets), 4, 4)), rng.random(len(targets)))
            tables[split] = tabulate(described_rows(split, targets, labels), answers, card)
        return card, tables, {split: measure(table, labels, card.threshold) for split, table in tables.items()}

    return imagine


@pytest.fixture
def tiny(tmp_path, rng):
    """Folders of a chain that has been trained: `prepared` with test and external, and `model`."""
    for split, n in (("test", 40), ("external", 24)):
        targets = np.arange(n) % 2
        write_split(tmp_path / "prepared", split, draw(rng, targets), targets)
    write_model(tmp_path / "model")
    return tmp_path
