"""Versions of data and model in an S3 bucket: whoever clones and pulls has the same bytes, and nothing reruns.

`--allow-missing`: the demo of the same project was never run, so DVC has nothing of it to bring.
"""

import hashlib
import re
import subprocess
import sys
from dataclasses import dataclass, replace

import boto3
import pytest
from moto.server import ThreadedMotoServer

from pipelines.recipe_file import override, read_yaml, write_yaml

pytestmark = pytest.mark.slow
STAGES = [f"{stage}@clinic" for stage in ("ingest", "validate", "preprocess", "train", "evaluate", "package")]
KEYS = {"access_key_id": "nobody", "secret_access_key": "secret"}


@dataclass(frozen=True)
class Bucket:
    """An S3 bucket of a server on this machine."""

    endpoint: str
    name: str = "films"

    def names(self):
        """What lies in it."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return {entry["Key"] for page in pages for entry in page.get("Contents", [])}

    def client(self):
        keys = {f"aws_{key}": value for key, value in KEYS.items()}
        return boto3.client("s3", endpoint_url=self.endpoint, region_name="us-east-1", **keys)


@pytest.fixture(scope="module")
def bucket():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    bucket = Bucket(f"http://{host}:{port}")
    bucket.client().create_bucket(Bucket=bucket.name)
    yield bucket
    server.stop()


def run(root, *command):
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c"] if command[0] == "git" else []
    done = subprocess.run([command[0], *who, *command[1:]], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def dvc(root, *arguments):
    return run(root, sys.executable, "-m", "dvc", *arguments)


def add_films(project, seed):
    """Films of a clinic in data/raw/clinic, kept as the data set's next version."""
    write_yaml(override(project.recipe, [f"phantom.seed={seed}"]), project.recipe)
    draw = ("-m", "pipelines.sources.phantom.draw", "--recipe", "recipes/demo.yaml", "--raw", "data/raw/clinic")
    run(project.root, sys.executable, *draw)
    dvc(project.root, "add", "data/raw/clinic")


def release(project):
    """Train on the films as they are, commit what DVC wrote, send it all to the bucket: the commit, and the bytes."""
    status, output = project.retrain(recipe="clinic")
    assert status == 0, output
    run(project.root, "git", "add", "data", "dvc.lock", "recipes", "params.yaml", ".dvc")
    run(project.root, "git", "commit", "-qm", "films and a model")
    dvc(project.root, "push")
    return run(project.root, "git", "rev-parse", "HEAD").strip(), contents(project.root)


def contents(root):
    """Checksum of every file that DVC owns."""
    files = [path for place in ("raw/clinic", "clinic") for path in (root / "data" / place).rglob("*")]
    digests = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.is_file()}
    return {path.relative_to(root).as_posix(): digest for path, digest in digests.items()}


def kinds(found):
    """Which of the project's data folders are among some files."""
    return {re.match(r"data/(raw/clinic|clinic/[^/]+)", path)[0] for path in found}


@pytest.fixture(scope="module")
def released_twice(new_project, bucket):
    """A project with data of its own, and the commit and bytes of two released versions, both in the bucket."""
    project = new_project()
    values = read_yaml(project.recipe)
    del values["phantom"]
    write_yaml(values, project.root / "recipes" / "clinic.yaml")
    write_yaml({"recipes": {"demo": "phantom", "clinic": "clinic"}}, project.root / "params.yaml")
    dvc(project.root, "remote", "add", "-d", "store", f"s3://{bucket.name}/filmgate")
    connect(project.root, bucket)
    versions = []
    for seed in (1, 2):
        add_films(project, seed)
        versions.append(release(project))
    return project, versions


def connect(root, bucket):
    """What is not for everybody: where the bucket is reached, and the keys."""
    for key, value in {"endpointurl": bucket.endpoint, **KEYS}.items():
        dvc(root, "remote", "modify", "--local", "store", key, value)


@pytest.fixture
def clone(released_twice, bucket, tmp_path):
    """Another checkout of the same project, as git gives it: without data."""
    project, _ = released_twice
    run(tmp_path, "git", "clone", "-q", str(project.root), "clone")
    connect(tmp_path / "clone", bucket)
    return replace(project, root=tmp_path / "clone")


def test_a_clone_that_pulls_has_the_same_bytes_and_reruns_nothing(released_twice, clone):
    _, (_, (_, bytes_of_newest)) = released_twice
    assert contents(clone.root) == {}
    dvc(clone.root, "pull", "--allow-missing")
    assert contents(clone.root) == bytes_of_newest
    status, output = clone.retrain(recipe="clinic")
    assert status == 0, output
    assert clone.said() == dict.fromkeys(STAGES, "cached")
    assert contents(clone.root) == bytes_of_newest
    assert run(clone.root, "git", "status", "--porcelain").split() == ["??", "output"]


def test_an_older_version_comes_back_with_git_and_dvc_checkout_alone(released_twice):
    project, ((older, bytes_of_older), (newer, bytes_of_newer)) = released_twice
    changed = {path for path in bytes_of_older if bytes_of_older[path] != bytes_of_newer.get(path)}
    assert {"data/raw/clinic", "data/clinic/model", "data/clinic/release"} <= kinds(changed)
    for commit, expected in ((older, bytes_of_older), (newer, bytes_of_newer)):
        run(project.root, "git", "checkout", "-q", commit)
        dvc(project.root, "checkout", "--allow-missing")
        assert contents(project.root) == expected
        status, output = project.retrain(recipe="clinic")
        assert status == 0, output
        assert project.said() == dict.fromkeys(STAGES, "cached")


def test_a_clone_gets_an_older_version_from_the_bucket(released_twice, clone, bucket):
    _, ((older, bytes_of_older), _) = released_twice
    assert all(name.startswith("filmgate/files/md5/") for name in bucket.names())
    run(clone.root, "git", "checkout", "-q", older)
    dvc(clone.root, "pull", "--with-deps", "package@clinic")
    assert contents(clone.root) == bytes_of_older
