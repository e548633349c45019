"""What a model file in eight bits gains and loses: both files in one run, in rounds of pairs.

    python -m benchmarks.quantised [--model FOLDER --prepared FOLDER] [--network densenet121] [--rounds 60]

With a trained model in single precision: its file is quantised with its training images, and its validation images tell
how far probabilities lie apart. Without one, a network with random weights of the chest-xray recipe's size, which says
nothing of the loss, while time does not depend on weights. Both files answer the same film in turn, one call each a
round, in an order that changes, so that a machine whose speed drifts drifts for both.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from pipelines.export.quantised import differences, quantise
from pipelines.inference import Answers, Graph
from pipelines.prepared import read_split
from pipelines.recipe_file import load
from pipelines.recipe_models import Transfer

ROOT = Path(__file__).resolve().parent.parent
WARM_UP = 5


def main() -> None:
    """Quantise, measure both sides, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--prepared", type=Path)
    parser.add_argument("--network", default="densenet121")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    rng = np.random.default_rng(chosen.seed)
    with tempfile.TemporaryDirectory() as folder:
        exact, rounded = Path(folder) / "exact.onnx", Path(folder) / "rounded.onnx"
        if chosen.model:
            exact.write_bytes((chosen.model / "model.onnx").read_bytes())
            learnt = read_split(chosen.prepared, "train")[0]
        else:
            learnt = write_random(exact, chosen.network, rng)
        rounded.write_bytes(exact.read_bytes())
        started = time.perf_counter()
        quantise(rounded, learnt, rng)
        print(f"quantised in {time.perf_counter() - started:.0f} s")
        print(f"size {exact.stat().st_size / 1e6:.1f} MB, in eight bits {rounded.stat().st_size / 1e6:.1f} MB")
        time_both(exact, rounded, np.ascontiguousarray(learnt[:1]), chosen.rounds, chosen.threads)
        if chosen.model:
            compare(Graph(exact), Graph(rounded), chosen.prepared)


def time_both(exact: Path, rounded: Path, film: np.ndarray, rounds: int, threads: int) -> None:
    """Print the median times of one film, and the ratio of the pairs with its tenth and ninetieth percentile."""
    calls = {"float32": opened(exact, threads), "int8": opened(rounded, threads)}
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    order, rng = list(calls.items()), np.random.default_rng(0)
    for _ in range(WARM_UP + rounds):
        rng.shuffle(order)
        for name, session in order:
            started = time.perf_counter()
            session.run(None, {"image": film})
            seconds[name].append(time.perf_counter() - started)
    one, other = (np.array(seconds[name][WARM_UP:]) for name in ("float32", "int8"))
    low, middle, high = np.quantile(one / other, [0.1, 0.5, 0.9])
    print(f"{threads} threads: float32 {1e3 * np.median(one):.1f} ms, int8 {1e3 * np.median(other):.1f} ms a film")
    print(
        f"int8 answers {middle:.2f} times as many films a second ({low:.2f} to {high:.2f} in 80 % of {rounds} rounds)"
    )


def compare(exact: Graph, rounded: Graph, prepared: Path) -> None:
    """Print how far the answers to validation lie apart, and the area under the curve of both."""
    images, rows = read_split(prepared, "val")
    both = [exact.answer_all(images), rounded.answer_all(images)]
    found, positive = differences(*both), rows["target"].to_numpy() == 1
    print(
        f"{len(images)} validation films: probabilities differ by {found['probability']:.4f} on average, by "
        f"{found['largest']:.3f} at most; correlation of heatmaps {found['heatmap']:.3f}"
    )
    if both[0].probability.shape[1] == 2:
        print(f"AUC float32 {area(positive, both[0]):.4f}, int8 {area(positive, both[1]):.4f}")


def area(positive: np.ndarray, answers: Answers) -> float:
    """Area under the curve of the second class."""
    return float(roc_auc_score(positive, answers.probability[:, 1]))


def write_random(path: Path, network: str, rng: np.random.Generator) -> np.ndarray:
    """Write the file of a network with random weights, and draw images for it, (n, height, width, channels) uint8."""
    import keras

    from pipelines.export.explain import FeatureStatistics, inference_model
    from pipelines.export.keras_export import export
    from pipelines.models import build

    recipe = load(ROOT / "recipes" / "chest-xray.yaml")
    sizes = Transfer(name=network, weights=None, dense=256, dropout=(0.5, 0.3))
    model = build(sizes, recipe.image, recipe.labels)
    for layer in model.layers:  # as training leaves them; with none of its own, the converter would leave them out
        if isinstance(layer, keras.layers.BatchNormalization):
            drawn = [rng.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()]
            layer.set_weights([drawn[0], drawn[1] - 1, drawn[2] - 1, drawn[3]])
    channels = model.get_layer("features").output.shape[-1]
    statistics = FeatureStatistics(np.zeros(channels, "float32"), np.eye(channels, dtype="float32"))
    export(inference_model(model, statistics, 1), path)
    coarse = rng.integers(0, 256, (32, 8, 8, 1), dtype=np.uint8)
    return np.kron(coarse, np.ones((1, recipe.image.height // 8, recipe.image.width // 8, 1), dtype=np.uint8))


def opened(path: Path, threads: int) -> Any:
    """An ONNX Runtime session."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


if __name__ == "__main__":
    main()
