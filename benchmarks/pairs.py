"""Two model files side by side: both answer the same film in turn, one call each a round, in an order that changes, so
that a machine whose speed drifts drifts for both.
"""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np

WARM_UP = 5


def time_both(files: dict[str, Path], film: np.ndarray, rounds: int, threads: int) -> None:
    """Print the median times of one film, and how many times as fast the second file is.

    Args:
        files: two, by what they are called.
        film: (1, height, width, channels) uint8.
        threads: processor threads of one call.
    """
    calls = {name: opened(path, threads) for name, path in files.items()}
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    order, rng = list(calls.items()), np.random.default_rng(0)
    for _ in range(WARM_UP + rounds):
        rng.shuffle(order)
        for name, session in order:
            started = time.perf_counter()
            session.run(None, {"image": film})
            seconds[name].append(time.perf_counter() - started)
    one, other = (np.array(seconds[name][WARM_UP:]) for name in files)
    low, middle, high = np.quantile(one / other, [0.1, 0.5, 0.9])
    first, second = files
    print(f"{threads} threads: {first} {1e3 * np.median(one):.1f} ms, {second} {1e3 * np.median(other):.1f} ms a film")
    print(
        f"{second} answers {middle:.2f} times as many films a second "
        f"({low:.2f} to {high:.2f} in 80 % of {rounds} rounds)"
    )


def opened(path: Path, threads: int) -> Any:
    """An ONNX Runtime session."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
