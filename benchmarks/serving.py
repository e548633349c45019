"""What the service costs: against bare ONNX Runtime, and against the ways to serve a model that are usual.

    python -m benchmarks.serving                    # DenseNet121 at 224 px, then the demo's network
    python -m benchmarks.serving --model demo --rounds 5

All sides run in turn in each round, on the same cores as the client, which asks with 16 requests at a time. Weights are
random: time does not depend on them. ONNX Runtime alone answers from the file that is served, and from what Keras'
converter makes of the model. Of each ratio the median and the range over the rounds are printed.
"""

import argparse
import asyncio
import io
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import psutil
from PIL import Image

from benchmarks import load
from pipelines.bento import build_bento
from pipelines.card import read_card
from pipelines.images import prepare, read
from pipelines.inference import Classifier
from serving.serve import unpacked
from serving.settings import read_settings

ROOT = Path(__file__).resolve().parent.parent
CLIENTS = 16
MODELS = {"densenet121": 224, "demo": 96}


def main():
    """Measure, and print rates and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=MODELS, action="append")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each side in each round")
    chosen = parser.parse_args()
    for name in chosen.model or MODELS:
        with tempfile.TemporaryDirectory() as folder:
            print(f"\n{name}, {len(os.sched_getaffinity(0))} cores, {CLIENTS} requests at a time")
            compare(name, Path(folder), chosen.rounds, chosen.seconds)


def compare(name, folder, rounds, seconds):
    """All sides of one model."""
    run_alone("benchmarks.serving_models", name, str(folder))
    film = drawn(MODELS[name])
    with (
        served(folder, "float32") as fast,
        served(folder, "int8") as faster,
        plain(folder, "keras") as keras,
        plain(folder, "decode") as bare,
    ):
        servers = {"service": fast, "service, int8": faster, "Keras in a handler": keras}
        print_resources(servers, "when ready")
        sides = {
            "bare ONNX Runtime": lambda: bare_runtime(folder / "float32", film, seconds),
            "bare, file as converted": lambda: bare_runtime(folder / "converted", film, seconds),
            "service": lambda: asked(fast, "/predict", film, seconds),
            "service, int8": lambda: asked(faster, "/predict", film, seconds),
            "service, heatmap": lambda: asked(fast, "/explain", film, seconds, size="224"),
            "Keras predict": lambda: asked(keras, "/predict", film, seconds),
            "Keras predict, in turn": lambda: asked(keras, "/blocking", film, seconds),
            "Keras predict and tape": lambda: asked(keras, "/explain", film, seconds),
            "Starlette that decodes": lambda: asked(bare, "/predict", film, seconds),
        }
        rates = in_turn(sides, rounds)
        lone = in_turn({call: lambda call=call: median_alone(fast, call, film) for call in CALLS}, rounds)
        print_resources(servers, "after all of it")
    print_rates(rates)
    for over, under in RATIOS:
        print_ratio(f"{over} / {under}", rates[over] / rates[under])
    print_ratio("p50 of one with its heatmap / without", lone["/explain"] / lone["/predict"])


RATIOS = (
    ("service", "bare ONNX Runtime"),
    ("service", "bare, file as converted"),
    ("service, int8", "bare ONNX Runtime"),
    ("service, int8", "bare, file as converted"),
    ("service, int8", "service"),
    ("service", "Keras predict"),
    ("service", "Keras predict, in turn"),
    ("service, int8", "Keras predict"),
    ("service, heatmap", "Keras predict and tape"),
    ("service", "Starlette that decodes"),
)
CALLS = ("/predict", "/explain")


def drawn(side):
    """A JPEG film as large as the model's input."""
    coarse = np.random.default_rng(0).integers(30, 226, (9, 9), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC).save(file, "JPEG", quality=92)
    return file.getvalue()


def run_alone(module, *arguments):
    """Another module in a process of its own, so that what it loads does not stay."""
    quiet = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, check=True, env=quiet)


@contextmanager
def served(folder, precision):
    """The service with the bento of a model, as `make serve` starts it: its address and process."""
    model, store = folder / precision, folder / f"store-{precision}"
    film = {"path": str(folder / "film.png"), "name": "film.png", "label": "NORMAL"}
    Image.open(io.BytesIO(drawn(64))).save(film["path"])
    release = folder / f"release-{precision}"
    release.mkdir()
    bento = unpacked(build_bento(model, read_card(model / "card.json"), [film], {}, release), store / "unpacked")
    environment = os.environ | {"BENTOML_HOME": str(store), "BENTOML_DO_NOT_TRACK": "true"}
    command = [sys.executable, "-P", str(ROOT / "serving/host.py"), str(bento), "127.0.0.1"]
    with running(command, environment) as found:
        yield found


@contextmanager
def plain(folder, side):
    """Another way to serve the same model."""
    command = [sys.executable, "-m", "benchmarks.plain_way", side, str(folder / "float32")]
    with running(command, os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}) as found:
        yield found


@contextmanager
def running(command, environment):
    """A server on a free port: its address, its process, and the seconds until it was ready."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    url, begun = f"http://127.0.0.1:{port}", time.perf_counter()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([*command, str(port)], cwd=ROOT, env=environment, **quiet) as process:
        try:
            wait_until_ready(url, process)
            yield url, process, time.perf_counter() - begun
        finally:
            process.terminate()


def wait_until_ready(url, process):
    """Ask until it answers."""
    while process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", trust_env=False).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.02)
    raise SystemExit(f"{url} ended with {process.returncode}")


def asked(server, path, film, seconds, **texts):
    """Answers a second."""
    url = server[0]
    content = load.request(url, path, *load.form(film, **texts))
    seen = asyncio.run(load.closed_loop(url, content, CLIENTS, seconds))
    wrong = {answer[0] for answer in seen.answers} - {200}
    if wrong:
        raise SystemExit(f"{path} answered with status {wrong}")
    return seen.rate()


def median_alone(server, path, film):
    """Median milliseconds of one request at a time."""
    url = server[0]
    texts = {"size": "224"} if path == "/explain" else {}
    content = load.request(url, path, *load.form(film, **texts))
    return asyncio.run(load.closed_loop(url, content, 1, 4.0)).milliseconds(0.5)


def bare_runtime(model, film, seconds):
    """Frames a second of ONNX Runtime alone, with the lanes and threads of the service."""
    limits = read_settings({})
    classifier = Classifier(model, limits.threads)
    frame = prepare(read(film), classifier.card.image)[None]
    counts, end = [0] * limits.lanes, time.perf_counter() + seconds

    def lane(number):
        while time.perf_counter() < end:
            classifier.answer(frame)
            counts[number] += 1

    begun = time.perf_counter()
    lanes = [threading.Thread(target=lane, args=(number,)) for number in range(limits.lanes)]
    for thread in lanes:
        thread.start()
    for thread in lanes:
        thread.join()
    return sum(counts) / (time.perf_counter() - begun)


def in_turn(sides, rounds):
    """What each side gave in each round, as arrays; the first round, which warms up, is left out."""
    found = {name: [] for name in sides}
    for _ in range(rounds + 1):
        for name, side in sides.items():
            found[name].append(side())
    return {name: np.array(values[1:]) for name, values in found.items()}


def print_resources(servers, when):
    """Seconds until ready, and resident memory."""
    for name, (_, process, seconds) in servers.items():
        megabytes = psutil.Process(process.pid).memory_info().rss / 2**20
        print(f"{name:<46}ready in {seconds:5.1f} s, {megabytes:6.0f} MiB {when}", flush=True)


def print_rates(rates):
    """Requests a second of each side."""
    for name, values in rates.items():
        print(f"{name:<46}{np.median(values):8.1f} a second ({values.min():.1f} to {values.max():.1f})")


def print_ratio(name, values):
    """Median and range of a ratio."""
    print(f"{name:<46}{np.median(values):8.2f} ({values.min():.2f} to {values.max():.2f})")


if __name__ == "__main__":
    main()
