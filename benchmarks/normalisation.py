"""What batch normalisation as one node gains: the file that is served, against what Keras' converter writes.

    python -m benchmarks.normalisation [--network densenet121] [--rounds 60]

Weights are random: time does not depend on them.
"""

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.pairs import time_both


def main():
    """Measure, and print medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="densenet121")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from benchmarks import as_trained
    from pipelines.export.keras_export import convert, export

    model, _ = as_trained.network(chosen.network, np.random.default_rng(chosen.seed))
    whole = as_trained.served(model)
    film = np.random.default_rng(chosen.seed).integers(0, 256, (1, *model.input.shape[1:]), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder) / f"{number}.onnx" for number, name in enumerate(("as converted", "as served"))}
        convert(whole, files["as converted"])
        export(whole, files["as served"])
        time_both(files, film, chosen.rounds, chosen.threads)


if __name__ == "__main__":
    main()
