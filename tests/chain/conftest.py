"""A real project in a temporary folder: its own git and DVC, a small phantom hospital, a real Prefect server."""

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.server import SERVER
from pipelines.recipe_file import override, read_yaml, write_yaml
from tests.chain.house import House
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
SMALL = (
    "phantom.patients=60",
    "phantom.external_patients=12",
    "phantom.films=2",
    "phantom.size=96",
    "image.height=48",
    "image.width=48",
    "model.filters=[8, 16]",
    "train.epochs=2",
    "gates.0.minimum=0.0",
    "gates.1.minimum=0.0",
    "gates.2.minimum=0.0",
    "gates.3.minimum=0.0",
    "gates.4.maximum=1.0",
    "gates.5.minimum=0.0",
    "gates.6.minimum=-1.0",
)


@dataclass
class Project:
    """A checkout with a small demo, and how to run the flow in it."""

    root: Path
    server: str

    @property
    def recipe(self):
        return self.root / "recipes" / "demo.yaml"

    @property
    def data(self):
        return self.root / "data" / "demo"

    def set(self, *assignments):
        """Edit the recipe."""
        write_yaml(override(self.recipe, assignments), self.recipe)

    def value(self, section, key):
        return read_yaml(self.recipe)[section][key]

    def start(self, *arguments, recipe="demo"):
        """Start the flow in a process of its own, its output in a file."""
        output = self.root / "output"
        with output.open("w") as file:
            return subprocess.Popen(
                [sys.executable, "-m", "flows.retrain", "--recipe", recipe, *arguments],
                cwd=self.root,
                env={**os.environ, "PREFECT_API_URL": self.server, "PYTHONUNBUFFERED": "1"},
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    def output(self):
        return (self.root / "output").read_text()

    def retrain(self, *arguments, recipe="demo"):
        """Run the flow to its end: exit status and output."""
        return self.start(*arguments, recipe=recipe).wait(timeout=400), self.output()

    def said(self):
        """What the last run said of each stage."""
        lines = [line for line in self.output().splitlines() if line.startswith("[") and ": " in line]
        return {line.split("] ")[1].split(": ")[0]: line.split(": ")[1].split(",")[0] for line in lines}


def copy_of_the_project(folder, prepare=None):
    """What git knows of this working copy, committed to a repository of its own, with a small demo."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    for name in names:
        if name and (ROOT / name).is_file() and not name.startswith("tests/") and name != "dvc.lock":
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    write_yaml(override(folder / "recipes" / "demo.yaml", SMALL), folder / "recipes" / "demo.yaml")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*git, "init", "-q"], cwd=folder, check=True)
    if prepare:
        prepare(folder)
    for command in (["add", "-A"], ["commit", "-qm", "a project"]):
        subprocess.run([*git, *command], cwd=folder, check=True)


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory):
    """A Prefect server on a free port, with a home of its own."""
    home, port = tmp_path_factory.mktemp("prefect"), free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", SERVER, "--host", "127.0.0.1", "--port", str(port)],
        cwd=ROOT,
        env={**os.environ, "PREFECT_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    address = f"http://127.0.0.1:{port}/api"
    wait_for(f"{address}/health", process)
    yield address
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(timeout=30)


def wait_for(address, process, seconds=120):
    """Until a server answers."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert process.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            time.sleep(0.3)
    raise TimeoutError(address)


@pytest.fixture(scope="session")
def new_project(tmp_path_factory, prefect_server):
    """Makes a project in a folder of its own, with nothing computed yet."""

    def make():
        folder = tmp_path_factory.mktemp("project")
        copy_of_the_project(folder)
        return Project(folder, prefect_server)

    return make


@pytest.fixture(scope="session")
def released(new_project):
    """A project after its first whole run."""
    project = new_project()
    status, output = project.retrain()
    assert status == 0, output
    return project


@pytest.fixture(scope="session")
def new_house(tmp_path_factory):
    """Makes new projects with a server, deployments and a worker of their own; `prepare` may change them before."""
    houses = []

    def make(prepare=None):
        folder = tmp_path_factory.mktemp("house")
        copy_of_the_project(folder, prepare)
        house = House(folder, tmp_path_factory.mktemp("prefect"), free_port())
        houses.append(house)
        house.start()
        return house

    yield make
    for house in houses:
        house.stop()
