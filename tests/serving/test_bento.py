"""The exported bento on its own: what an image of it is built from, and that it needs nothing of this project."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import tomllib
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from ruamel.yaml import YAML

from serving.check.checks import main as check

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {
    "tensorflow",
    "tensorflow-cpu",
    "keras",
    "torch",
    "prefect",
    "dvc",
    "great-expectations",
    "pandas",
    "streamlit",
}
DOCKER = """#!/bin/sh
# Stands in for docker: writes down what it is asked, and keeps what it is given to build from.
if [ "$1" = version ]; then echo '"28.2.2"'; exit 0; fi
for argument; do echo "$argument"; done > "$RECORD/asked"
for context; do :; done
cp -r "$context" "$RECORD/context"
"""
CONTEXT = re.compile(r"^COPY (?:--\S+ )*(?P<source>\S+) \S+$")


@dataclass(frozen=True)
class Image:
    """What `bentoml containerize` hands over: its words to docker, the folder to build from, and the Dockerfile."""

    asked: list[str]
    context: Path

    @property
    def instructions(self):
        """The Dockerfile as pairs of instruction and argument, its continued lines joined."""
        text = (self.context / "env/docker/Dockerfile").read_text().replace("\\\n", " ")
        lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
        return [tuple(line.split(maxsplit=1)) for line in lines]

    def of(self, instruction):
        return [argument for name, argument in self.instructions if name == instruction]

    @property
    def environment(self):
        """What ENV sets, with the values that ARG and ENV gave before."""
        values = {}
        for name, argument in self.instructions:
            if name in ("ARG", "ENV"):
                key, _, value = argument.partition("=")
                values[key] = re.sub(r"\$\{?(\w+)\}?", lambda found: values.get(found[1], ""), value)
        return {name: values[name] for name in (argument.partition("=")[0] for argument in self.of("ENV"))}


def bento_of(release):
    return next(release.glob("*.bento"))


def tag_of(release):
    note = json.loads((release / "release.json").read_text())
    return f"filmgate-{note['recipe']}:{note['version']}"


def surroundings(home, **more):
    """An environment with a BentoML store of its own, and nothing of the project's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FILMGATE_", "PYTHON", "BENTO"))}
    return kept | {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "true"} | more


def run(*words, **options):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stderr or done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def image(tmp_path_factory, release):
    folder = tmp_path_factory.mktemp("image")
    (folder / "docker").write_text(DOCKER)
    (folder / "docker").chmod(0o755)
    environment = surroundings(folder / "home", RECORD=str(folder), PATH=f"{folder}:{os.environ['PATH']}")
    bentoml = Path(sys.executable).with_name("bentoml")
    run(bentoml, "import", bento_of(release), env=environment, cwd=folder)
    run(bentoml, "containerize", tag_of(release), "-t", "filmgate:test", env=environment, cwd=folder)
    return Image((folder / "asked").read_text().splitlines(), folder / "context")


def requirements(image):
    lines = (image.context / "env/python/requirements.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if line.strip()]


def test_containerize_asks_docker_for_one_build(image):
    assert image.asked[:3] == ["build", "--tag", "filmgate:test"]
    assert image.asked[3] == "--file"
    assert image.asked[4] == image.asked[5] + "/env/docker/Dockerfile"


def test_what_the_image_is_built_from_is_there(image):
    sources = [CONTEXT.match(f"COPY {argument}")["source"] for argument in image.of("COPY")]
    assert sources == ["./env/docker", "./env/python", "."]
    assert all((image.context / source).exists() for source in sources)


def test_the_model_travels_in_the_image_with_the_code_that_names_it(image):
    note = json.loads((image.context / "src/serving/released.json").read_text())
    folder = image.context / "models" / Path(*note["model"].split(":"))
    assert {file.name for file in folder.iterdir()} >= {*note["files"], "model.onnx", "card.json"}


def test_the_python_of_the_image_is_one_that_the_lock_is_made_for(image):
    (base,) = image.of("FROM")
    found = re.match(r"python:(?P<python>\d+\.\d+)-slim AS ", base)["python"]
    assert found == f"{sys.version_info.major}.{sys.version_info.minor}"
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert SpecifierSet(wanted).contains(f"{found}.99")
    assert f"uv venv --python {found} /app/.venv" in " ".join(image.of("RUN"))


def test_the_image_does_not_run_as_root(image):
    users = image.of("USER")
    assert users == ["bentoml"]
    assert "BENTO_USER_UID=1034" in image.of("ARG")  # whom the Kubernetes manifest names
    after = [name for name, _ in image.instructions[image.instructions.index(("USER", "bentoml")) :]]
    assert after == ["USER", "ENTRYPOINT"]


def test_the_image_starts_the_bento(image):
    (entry,) = image.of("ENTRYPOINT")
    assert json.loads(entry) == ["/home/bentoml/bento/env/docker/entrypoint.sh"]
    run("bash", "-n", image.context / "env/docker/entrypoint.sh")
    assert "3000" in image.of("EXPOSE")


def test_the_image_reports_to_nobody(image):
    assert image.environment["BENTOML_DO_NOT_TRACK"] == "true"
    assert image.environment["ORT_DISABLE_TELEMETRY"] == "1"


def test_every_package_is_pinned_to_what_was_measured(image):
    for requirement in requirements(image):
        assert str(requirement.specifier) == f"=={version(requirement.name)}"
    assert not {canonicalize_name(requirement.name) for requirement in requirements(image)} & HEAVY


# What follows builds the environment as the Dockerfile does, and serves there.


@pytest.fixture(scope="module")
def alone(tmp_path_factory, image):
    """The environment of the image: the steps of its Dockerfile that make it, run here in another folder."""
    venv = tmp_path_factory.mktemp("alone") / "venv"
    make, install = (step for step in image.of("RUN") if "uv venv" in step or "pip install -r" in step)
    begun = time.monotonic()
    steps = {
        "make": re.sub(r"&&\s*chown.*", "", make).replace("uv venv", "uv venv --relocatable"),
        "install": re.sub(r"^--mount=\S+", "", install),
    }
    environment = surroundings(venv.parent / "home", VIRTUAL_ENV=str(venv), BENTO_PATH=str(image.context))
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    for step in steps.values():
        run("sh", "-c", step.replace("/app/.venv", shlex.quote(str(venv))), cwd=image.context, env=environment)
    seconds = time.monotonic() - begun
    print(f"the environment of the image took {seconds:.0f} s")
    assert seconds < 90
    return venv


@pytest.fixture(scope="module")
def home(tmp_path_factory, alone, release):
    """A store of BentoML's into which the bento was imported, by the BentoML that it brings."""
    home = tmp_path_factory.mktemp("store")
    run(alone / "bin/bentoml", "import", bento_of(release), env=surroundings(home), cwd=home)
    return home


@contextmanager
def serving(command, port, log, **options):
    """A server of this test on a port, once it is ready; ended by its own id."""
    with log.open("wb") as lines, subprocess.Popen(command, stdout=lines, stderr=lines, **options) as process:
        try:
            deadline = time.monotonic() + 90
            while time.monotonic() < deadline and process.poll() is None:
                try:
                    if httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2, trust_env=False).is_success:
                        break
                except httpx.HTTPError:
                    time.sleep(0.1)
            else:
                pytest.fail(f"It did not become ready: {log.read_text()}")
            yield process
        finally:
            process.terminate()


def serve_command(alone, release, port):
    return [str(alone / "bin/bentoml"), "serve", tag_of(release), "--host", "127.0.0.1", "--port", str(port)]


def checked(port, capsys):
    """What `serving.check` says of a service; it must pass."""
    with pytest.raises(SystemExit) as ended:
        check([f"http://127.0.0.1:{port}", "--seconds", "1"])
    said = capsys.readouterr().out
    assert ended.value.code == 0, said
    return said.splitlines()


def ended(process):
    """The exit status of a server that is told to end."""
    process.terminate()
    return process.wait(30)


@pytest.mark.slow
def test_nothing_is_installed_but_what_the_bento_asks_for(alone, image):
    listing = "import importlib.metadata as m; print(*(d.metadata['Name'] for d in m.distributions()))"
    installed = {canonicalize_name(name) for name in run(alone / "bin/python", "-I", "-c", listing).split()}
    assert installed == {canonicalize_name(requirement.name) for requirement in requirements(image)}
    assert not installed & HEAVY


@pytest.mark.slow
def test_the_bento_serves_where_nothing_else_is_installed(alone, home, release, processes, tmp_path, capsys):
    port = processes.free_port()
    command, log = serve_command(alone, release, port), tmp_path / "log"
    with serving(command, port, log, env=surroundings(home), cwd=tmp_path) as process:
        checked(port, capsys)
        assert ended(process) == 0
    assert "Completed cleanup hook: close" in (tmp_path / "log").read_text()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/livez", trust_env=False)


@pytest.mark.slow
def test_a_bento_with_a_changed_byte_does_not_start(alone, home, release, processes, tmp_path):
    copied = shutil.copytree(home, tmp_path / "store")
    model = next(copied.glob("models/*/*/model.onnx"))
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    command = serve_command(alone, release, processes.free_port())
    done = subprocess.run(
        command, env=surroundings(copied), cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert said.count(f"{model} has SHA-256") == 1  # it was tried once
    assert "Take the bento from its release again." in said


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs a mount namespace, as root")
def test_a_container_needs_only_the_folders_that_its_manifest_gives(alone, image, processes, tmp_path, capsys):
    deployment = YAML(typ="safe").load(ROOT / "serving/kubernetes/base/deployment.yaml")["spec"]["template"]["spec"]
    (container,) = deployment["containers"]
    told = {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}
    writable = [mount["mountPath"] for mount in container["volumeMounts"]]
    user = str(deployment["securityContext"]["runAsUser"])
    port, bento, scratch = processes.free_port(), tmp_path / "bento", tmp_path / "scratch"
    shutil.copytree(image.context, bento)
    run("chown", "-R", user, bento)
    (bento / "env/docker/entrypoint.sh").chmod(0o755)
    (tmp_path / "root").mkdir()
    scratch.mkdir(mode=0o755)
    words = [tmp_path / "root", sys.base_prefix, alone, bento, scratch, " ".join(writable), user]
    script = Path(__file__).with_name("container.sh")
    here = {"0.0.0.0": "127.0.0.1", "3000": str(port)}
    asked = [here.get(word, word) for word in (*container["command"], *container["args"])]
    command, environment = ["unshare", "--mount", "sh", script, *words, *asked], image.environment | told
    environment["PATH"] = f"/app/.venv/bin:{os.environ['PATH']}"
    with serving([str(word) for word in command], port, tmp_path / "log", env=environment, cwd="/") as process:
        checked(port, capsys)
        assert ended(process) == 0
    kept = {file.relative_to(scratch).as_posix() for file in scratch.rglob("*") if file.is_file()}
    assert f"{told['FILMGATE_PREDICTION_LOG'].lstrip('/')}/predictions.jsonl" in kept
    assert all(f"/{file}".startswith(tuple(writable)) for file in kept)
