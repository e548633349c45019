"""Time of the whole record (figures, intervals, subgroups, gates, comparison) over 100,000 probabilities and fewer.

    python -m benchmarks.evaluation [--images 100000]

Draws tables of predictions of films, a quarter of them external, two films a patient, with five kinds of subgroups, a
model in production and heat measured, and one of ten classes; prints the seconds of each size and their ratio.
"""

import argparse
import time

import numpy as np
import pandas as pd

from pipelines.evaluation.predictions import CHAMPION
from pipelines.evaluation.record import Champion, Terms, record
from pipelines.evaluation.rules import Rules
from pipelines.recipe import GateParams, LabelParams, ThresholdParams

BINARY = LabelParams(names=("NORMAL", "PNEUMONIA"), positive="PNEUMONIA")
TEN = LabelParams(names=tuple("0123456789"), positive=None)
CHOSEN = ThresholdParams(
    rule="youden", minimum=0.9, miss_cost=1.0, confidence=None, refer_error=0.02, temperature=False
)
ROUNDS = 3


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000)
    most = parser.parse_args().images
    for name, labels in (("two classes", BINARY), ("ten classes", TEN)):
        record(table(1000, labels), terms(labels))  # libraries are loaded at the first use
        small, large = (seconds(count, labels) for count in (most // 10, most))
        print(f"{name}: {most // 10:,} images {small:.2f} s, {most:,} images {large:.2f} s: {large / small:.1f} times")


def seconds(count, labels):
    """The fastest of ROUNDS, as other work on the machine only ever adds."""
    rows, agreed, taken = table(count, labels), terms(labels), []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        record(rows, agreed)
        taken.append(time.perf_counter() - started)
    return min(taken)


def table(count, labels):
    """Predictions of a model and of the one in production."""
    rng, classes = np.random.default_rng(0), len(labels.names)
    target = rng.integers(0, classes, count)
    rows = pd.DataFrame({"target": target, "label": np.array(labels.names)[target], "decision": "answered"})
    rows["split"] = np.where(np.arange(count) < count * 3 // 4, "test", "external")
    rows["patient_id"] = np.char.add("p", (np.arange(count) // 2).astype(str))
    for column, values in {"site": ["a", "b", "c"], "view": ["PA", "AP"], "sex": ["F", "M", None]}.items():
        rows[column] = rng.choice(np.array(values, dtype=object), count)
    rows = rows.assign(age=rng.integers(0, 90, count) * 1.0, width=rng.integers(60, 3000, count), height=2000)
    rows = rows.assign(heat_hit=(rng.random(count) < 0.8) * 1.0, heat_inside=rng.random(count), mask_share=0.1)
    rows = rows.assign(heat_outside_body=rng.random(count), sha256=np.char.mod("%064d", np.arange(count)))
    for lead in ("", CHAMPION):
        odds = np.exp(rng.normal(0, 1, (count, classes)) + 2 * np.eye(classes)[target])
        chances = odds / odds.sum(axis=1, keepdims=True)
        for index, label in enumerate(labels.names):
            rows[f"{lead}probability_{label}"] = chances[:, index]
    return rows.assign(probability=rows["probability_PNEUMONIA"]) if labels.positive else rows


def terms(labels):
    """What was agreed before."""
    gates = tuple(
        GateParams(metric=metric, split=split, bound="low", minimum=0.5)
        for metric in ("auc", "accuracy", "auc_difference")
        for split in ("test", "external")
    )
    threshold = 0.5 if labels.positive else None
    champion = Champion(version="0" * 12, threshold=threshold, images={}, trained_on={}, rules={})
    prevalences = (0.05, 0.2) if labels.positive else ()
    return Terms(
        recipe="drawn",
        version="1" * 12,
        labels=labels,
        threshold=threshold,
        prevalences=prevalences,
        rules=Rules(threshold=CHOSEN, gates=gates, margin=0.03),
        model={"size_mb": 1.0},
        champion=champion,
    )


if __name__ == "__main__":
    main()
