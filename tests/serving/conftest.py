"""A release of a tiny model, and the service that `make serve` would start from it."""

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import httpx
import numpy as np
import pandas as pd
import psutil
import pytest

from pipelines import package
from pipelines.monitoring.reference import NUMBERS
from pipelines.recipe_file import load_sections
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
SECTIONS = (
    "recipe",
    "source",
    "external",
    "split",
    "augment",
    "train",
    "serve",
    "card",
)  # that the package stage takes


@dataclass(frozen=True)
class Served:
    """A running service: address, process id, processor seconds until it was ready, and where it keeps what."""

    url: str
    pid: int
    seconds: float
    store: Path
    scratch: Path

    @property
    def bento(self):
        """The folder of the unpacked bento."""
        return next((self.store / "unpacked").glob("filmgate-*"))

    @property
    def said(self):
        """What it wrote to its terminal."""
        return self.store.with_name("said.txt").read_text()


def write_evaluation(folder):
    folder.mkdir(parents=True, exist_ok=True)
    gate = {"metric": "sensitivity", "split": "test", "bound": "low", "minimum": 0.85, "value": 0.9}
    rules = {"sha256": "ef" * 32, "threshold": {"rule": "youden"}, "margin": 0.03}
    gates = [{**gate, "passed": True, "reason": "It does."}]
    figures = {"n": 200, "n_positive": 90, "sensitivity": 0.95, "sensitivity_low": 0.9, "sensitivity_high": 0.98}
    (folder / "gates.json").write_text(
        json.dumps({"passed": True, "reason": "It does.", "gates": gates, "rules": rules})
    )
    (folder / "metrics.json").write_text(json.dumps({"test": {**figures, "auc": 0.97, "threshold": 0.5}}))
    rows = {"split": ["test"] * 2, "patient_id": ["p1", "p2"], "site": "home", "view": None, "sex": "F", "age": 40.0}
    said = {
        "image_id": ["a", "b"],
        "label": ["NORMAL", "PNEUMONIA"],
        "probability": 0.5,
        "familiarity": 0.5,
        "decision": "refer",
    }
    pd.DataFrame(rows | said).to_parquet(folder / "probabilities.parquet")
    pd.DataFrame(rows)[["split"]].to_parquet(folder / "images.parquet")


def write_prepared(folder):
    """Validation films of the brightness model: dark ones are NORMAL, bright ones PNEUMONIA."""
    folder.mkdir(parents=True, exist_ok=True)
    greys = np.array([50, 60, 70, 80, 170, 180, 190, 200], dtype=np.uint8)
    np.save(folder / "val.npy", np.tile(greys[:, None, None, None], (1, 32, 32, 1)))
    pd.DataFrame({"label": ["NORMAL"] * 4 + ["PNEUMONIA"] * 4}).to_parquet(folder / "val.parquet")


def serve_command(release, store, port):
    where = ["--release", str(release), "--store", str(store), "--port", str(port)]
    return [sys.executable, "-m", "serving.serve", "--recipe", "demo", *where]


@contextmanager
def ended_afterwards(command, said=subprocess.DEVNULL, **environment):
    """A process of this test, ended by its own id; `said` is a file for what it says."""
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, stdout=said, stderr=said) as process:
        try:
            yield process
        finally:
            process.terminate()


def seconds_until(url, process, limit=60.0):
    """Processor seconds that a process took until its address answers 200; other work on the machine adds none."""
    begin = time.monotonic()
    while time.monotonic() - begin < limit and process.poll() is None:
        try:
            if httpx.get(url, timeout=2, trust_env=False).is_success:
                used = psutil.Process(process.pid).cpu_times()
                return used.user + used.system
        except httpx.HTTPError:
            time.sleep(0.03)
    raise AssertionError(f"{url} did not answer; the process ended with {process.poll()}")


@pytest.fixture(scope="session")
def processes():
    """What tests need to start servers: `free_port`, `serve_command`, `running` and `seconds_until`."""
    return SimpleNamespace(
        root=ROOT,
        free_port=free_port,
        serve_command=serve_command,
        running=ended_afterwards,
        seconds_until=seconds_until,
    )


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory, release_model):
    folder = tmp_path_factory.mktemp("model")
    release_model(folder)
    return folder


def package_of(folder, model):
    """The folder that the package stage writes for a model, by the stage itself."""
    write_evaluation(folder / "evaluation")
    (folder / "profile.json").write_text('{"images": 40, "statistics": {}}')
    write_prepared(folder / "prepared")
    sections = load_sections(ROOT / "recipes" / "demo.yaml", SECTIONS)
    known = {"image_id": ["a", "b"], "mode": "L", **dict.fromkeys(NUMBERS, 1.0)}
    pd.DataFrame(known).to_parquet(folder / "manifest.parquet")
    names = ("evaluation", "profile.json", "manifest.parquet", "prepared", "release")
    made = (folder / name for name in names)
    package.run(model, *made, **sections)
    return folder / "release"


@contextmanager
def service_of(folder, release, **environment):
    """A release, served over HTTP as `make serve` does it."""
    port, store, scratch = free_port(), folder / "store", folder / "scratch"
    scratch.mkdir(parents=True)
    with (folder / "said.txt").open("wb") as said:
        command, places = serve_command(release, store, port), {"TMPDIR": str(scratch)}
        with ended_afterwards(command, said, **places, **environment) as process:
            url = f"http://127.0.0.1:{port}"
            yield Served(url, process.pid, seconds_until(f"{url}/readyz", process), store, scratch)


@pytest.fixture(scope="session")
def release(tmp_path_factory, model_folder):
    """The release of a tiny model."""
    return package_of(tmp_path_factory.mktemp("chain"), model_folder)


@pytest.fixture(scope="session")
def later_release(tmp_path_factory, release_model):
    """The release of another model, which answers alike under a version of its own."""
    folder = tmp_path_factory.mktemp("later")
    release_model(folder / "model", work=1)
    return package_of(folder / "chain", folder / "model")


@pytest.fixture(scope="session")
def served(tmp_path_factory, release):
    """That release, served."""
    with service_of(tmp_path_factory.mktemp("served"), release) as running:
        yield running


@pytest.fixture
def serving(tmp_path_factory, release):
    """Serves a release, by default the tiny one, with settings: `with serving(FILMGATE_API_KEY="k") as service`."""
    return lambda release=release, **environment: service_of(tmp_path_factory.mktemp("served"), release, **environment)
