"""Figures of the model file itself: how exactly it repeats the model, how large it is, how fast it answers."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipelines.card import Card
from pipelines.inference import Graph
from pipelines.recipe import GateParams

WARM_UP, ANSWERS = 5, 30


def model_figures(path: Path, card: Card, gates: Sequence[GateParams]) -> dict[str, float]:
    """What is known of a model file, by the metric's name.

    `parity`: largest difference between an output of the file and of the model that was trained (see
    `pipelines.export.onnx_file.parity`). `quantisation`: mean difference of a probability of the file from that of the
    same file in single precision, on validation; 0 where it is that file. `heat_randomised`: similarity of its heatmaps
    to those of a model with shuffled last layers. `size_mb`: in units of a million bytes. `latency_ms`: see `latency`;
    as it differs from run to run, it is measured only where a gate asks for it.
    """
    found = {"size_mb": path.stat().st_size / 1e6}
    if parity := card.facts.get("parity"):
        found["parity"] = float(max(parity.values()))
    if "precision" in card.facts:
        found["quantisation"] = float((card.facts["quantisation"] or {"probability": 0.0})["probability"])
    check = card.facts.get("randomisation")
    if check and check["similarity"] is not None:
        found["heat_randomised"] = float(check["similarity"])
    if any(gate.metric == "latency_ms" for gate in gates):
        found["latency_ms"] = latency(path, card)
    return found


def latency(path: Path, card: Card) -> float:
    """Median time in milliseconds of answering one image on all cores of this machine, decoding not counted."""
    graph, image = Graph(path), np.zeros((1, card.image.height, card.image.width, card.image.channels), dtype=np.uint8)
    taken = []
    for _ in range(WARM_UP + ANSWERS):
        started = time.perf_counter()
        graph.answer(image)
        taken.append(time.perf_counter() - started)
    return float(np.median(taken[WARM_UP:]) * 1e3)
