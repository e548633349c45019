"""What a model file in eight bits gains and loses: both files in one run, in rounds of pairs.

    python -m benchmarks.quantised [--model FOLDER --prepared FOLDER] [--network densenet121] [--rounds 60]

With a trained model in single precision: its file is quantised with its training images, and its validation images tell
how far probabilities lie apart. Without one, a network with random weights of the chest-xray recipe's size, which says
nothing of the loss, while time does not depend on weights.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.pairs import time_both
from pipelines.export.quantised import differences, quantise
from pipelines.inference import Answers, Graph
from pipelines.prepared import read_split


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
        files = {"float32": exact, "int8": rounded}
        time_both(files, np.ascontiguousarray(learnt[:1]), chosen.rounds, chosen.threads)
        if chosen.model:
            compare(Graph(exact), Graph(rounded), chosen.prepared)


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
    from benchmarks import as_trained
    from pipelines.export.keras_export import export

    model, recipe = as_trained.network(network, rng)
    export(as_trained.served(model), path)
    coarse = rng.integers(0, 256, (32, 8, 8, 1), dtype=np.uint8)
    return np.kron(coarse, np.ones((1, recipe.image.height // 8, recipe.image.width // 8, 1), dtype=np.uint8))


if __name__ == "__main__":
    main()
