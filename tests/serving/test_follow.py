"""The server that follows production: real bentos, real tags, real processes, and clients that never stop asking."""

import json
import shutil
import signal
import subprocess
import sys
import tarfile

import httpx
import numpy as np
import psutil
import pytest

from tests.serving.following import PATIENCE, ROOT, Project, clients, until


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


@pytest.fixture
def film(as_png):
    return as_png(np.full((40, 50), 90, "uint8"))


@pytest.fixture
def damaged_release(later_release, tmp_path_factory):
    """A release whose bento holds another model than it says, and so does not start."""
    release = shutil.copytree(later_release, tmp_path_factory.mktemp("damaged") / "release")
    (bento,) = release.glob("*.bento")
    content = release / "content"
    with tarfile.open(bento) as file:
        file.extractall(content, filter="data")
    model = next(content.glob("models/*/*/model.onnx"))
    model.write_bytes(model.read_bytes().replace(b"brightness", b"brightnesS"))
    with tarfile.open(bento, "w:xz", preset=0) as file:
        file.add(content, ".")
    shutil.rmtree(content)
    return release


def version_of(release):
    return json.loads((release / "release.json").read_text())["version"]


def ask(port, film):
    answer = httpx.post(f"http://127.0.0.1:{port}/predict", files={"image": film}, trust_env=False, timeout=PATIENCE)
    return answer.json()["model"]["version"]


@pytest.mark.slow
def test_production_moves_on_and_back_and_no_request_fails(project, release, later_release, film):
    first, second = version_of(release), version_of(later_release)
    project.register("v1.0.0", release)
    project.register("v1.1.0", later_release)
    project.promote("v1.0.0")
    with project.served() as server:
        server.waits_for("Serving")
        with clients(server.port, film) as asking:
            for version, model in (("v1.1.0", second), ("v1.0.0", first), ("v1.1.0", second)):
                until(lambda: all(len(client.versions) > 50 for client in asking))
                project.promote(version)
                server.waits_for(
                    f"Now serving filmgate-demo:{model}", server.said.count(f"Now serving filmgate-demo:{model}") + 1
                )
                until(lambda model=model: all(client.seen(model) for client in asking))
        until(lambda: len(server.hosts()) == 1)
        assert len(server.hosts()) == 1
    for client in asking:
        assert client.failures == []
        assert client.story == [first, second, first, second]


@pytest.mark.slow
def test_the_newest_release_is_served_until_something_is_in_production(project, release, later_release, film):
    shutil.copytree(release, project.root / "data/demo/release")
    with project.served() as server:
        server.waits_for(f"Serving filmgate-demo:{version_of(release)} on ")
        with clients(server.port, film) as asking:
            until(lambda: all(client.versions for client in asking))
            project.register("v1.0.0", later_release)
            project.promote("v1.0.0")
            server.waits_for(f"Now serving filmgate-demo:{version_of(later_release)}")
            until(lambda: all(client.seen(version_of(later_release)) for client in asking))
    assert [client.failures for client in asking] == [[], []]
    assert [client.story for client in asking] == [[version_of(release), version_of(later_release)]] * 2


@pytest.mark.slow
def test_a_version_that_does_not_start_leaves_the_old_one(project, release, damaged_release, film):
    project.register("v1.0.0", release)
    project.promote("v1.0.0")
    with project.served() as server:
        server.waits_for("Serving")
        with clients(server.port, film) as asking:
            project.register("v1.1.0", damaged_release)
            project.promote("v1.1.0")
            server.waits_for("demo v1.1.0 did not start (status 1): demo v1.0.0 goes on being served.")
            assert "model.onnx has SHA-256" in server.said
            counts = [len(client.versions) for client in asking]
            until(lambda: all(len(client.versions) > count + 150 for client, count in zip(asking, counts, strict=True)))
        assert server.said.count("did not start") == 1
    assert [client.failures for client in asking] == [[], []]
    assert [client.story for client in asking] == [[version_of(release)]] * 2


@pytest.mark.slow
def test_a_release_that_was_changed_or_is_too_old_is_not_served(project, release, later_release, film):
    project.register("v1.0.0", release)
    project.promote("v1.0.0")
    folder = project.register("v1.1.0", later_release)
    with next(folder.glob("*.bento")).open("ab") as file:
        file.write(b"more")
    with project.served() as server:
        server.waits_for("Serving")
        project.promote("v1.1.0")
        server.waits_for("demo v1.1.0 cannot be served.")
        assert "demo v1.1.0 was registered with" in server.said
        assert ask(server.port, film) == version_of(release)


@pytest.mark.slow
def test_a_server_that_is_killed_is_started_again_while_clients_wait(project, release, film):
    project.register("v1.0.0", release)
    project.promote("v1.0.0")
    with project.served() as server:
        server.waits_for("Serving")
        (host,) = server.hosts()
        host.kill()
        host.wait()
        assert ask(server.port, film) == version_of(release)
        server.waits_for(f"Again serving filmgate-demo:{version_of(release)}")
        assert "The server of demo v1.0.0 ended by itself (status -9)" in server.said
        assert [process.pid for process in server.hosts()] != [host.pid]


def test_told_to_end_it_answers_all_that_it_took_and_leaves_nothing_running(project, release, film):
    project.register("v1.0.0", release)
    project.promote("v1.0.0")
    with project.served() as server:
        server.waits_for("Serving")
        with clients(server.port, film) as asking:
            until(lambda: all(len(client.versions) > 20 for client in asking))
            processes, before = server.processes(), [len(client.versions) for client in asking]
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(PATIENCE) == 0
        assert psutil.wait_procs(processes, timeout=0)[1] == []
    for client, count in zip(asking, before, strict=True):
        assert len(client.versions) > count  # it went on for a while
        assert {type(failure) for failure in client.failures} <= {ConnectionRefusedError}


@pytest.mark.slow
def test_production_that_goes_back_at_once_changes_nothing(project, release, later_release, film):
    project.register("v1.0.0", release)
    project.register("v1.1.0", later_release)
    project.promote("v1.0.0")
    with project.served() as server:
        server.waits_for("Serving")
        with clients(server.port, film) as asking:
            project.promote("v1.1.0")
            until(lambda: len(server.hosts()) == 2)
            project.promote("v1.0.0")
            until(lambda: len(server.hosts()) == 1)
        assert len(server.hosts()) == 1
        assert "Now serving" not in server.said
    assert [client.failures for client in asking] == [[], []]
    assert [client.story for client in asking] == [[version_of(release)]] * 2


@pytest.mark.slow
def test_told_to_end_with_a_new_server_on_its_way_it_leaves_nothing_running(project, release, later_release, film):
    project.register("v1.0.0", release)
    project.register("v1.1.0", later_release)
    project.promote("v1.0.0")
    with project.served() as server:
        server.waits_for("Serving")
        with clients(server.port, film) as asking:
            project.promote("v1.1.0")
            until(lambda: len(server.hosts()) == 2)
            processes = server.processes()
            for process in processes:  # as a service manager does that ends a whole group
                if process.status() != psutil.STATUS_ZOMBIE:
                    process.terminate()
            assert server.process.wait(PATIENCE) == 0
        assert psutil.wait_procs(processes, timeout=0)[1] == []
    assert {type(failure) for client in asking for failure in client.failures} <= {ConnectionRefusedError}


def test_when_it_is_killed_its_server_ends_too(project, release):
    project.register("v1.0.0", release)
    project.promote("v1.0.0")
    with project.served() as server:
        server.waits_for("Serving")
        processes = server.processes()
        assert len(processes) == 2
        server.process.kill()
        assert psutil.wait_procs(processes, timeout=PATIENCE)[1] == []


def test_a_release_without_a_server_that_takes_over_is_to_be_made_anew(project, release):
    folder = shutil.copytree(release, project.root / "data/demo/release")
    with project.served() as server:
        server.waits_for("Serving")
    (host,) = project.root.glob(".filmgate/bentoml/unpacked/*/src/serving/host.py")
    host.write_text(host.read_text().replace('"fd:"', '"other"'))
    with project.served() as server:
        assert server.process.wait(PATIENCE) == 1
        assert f"--release {folder}" in server.said
        assert "cannot take over from another. Release it anew" in server.said


def test_a_release_that_is_not_here_is_fetched(project, release):
    folder = project.register("v1.0.0", release)
    project.promote("v1.0.0")
    away = folder.rename(project.root / "away")
    (project.root / "flows").mkdir()
    command = project.root / "flows/deploy.py"
    command.write_text("import sys\nsys.exit('error: The remote is gone.')\n")
    with project.served() as server:
        assert server.process.wait(PATIENCE) == 1
        assert "The release of demo v1.0.0 could not be fetched (The remote is gone.)." in server.said
    command.write_text(
        f"import os, sys\nassert sys.argv[1:] == 'fetch --recipe demo --version v1.0.0'.split()\n"
        f"os.rename({str(away)!r}, {str(folder)!r})\n"
    )
    with project.served() as server:
        server.waits_for(f"Serving filmgate-demo:{version_of(release)} on ")


def test_without_any_release_it_says_to_run_the_flow(project):
    with project.served() as server:
        assert server.process.wait(PATIENCE) == 1
        assert "python -m flows.retrain --recipe demo" in server.said
        assert "Traceback" not in server.said


def test_the_supervisor_loads_nothing_heavy():
    heavy = {"bentoml", "uvicorn", "numpy", "pydantic", "onnxruntime", "prefect", "dvc", "gto"}
    text = f"import sys, serving.serve; print(sorted(set(sys.modules) & {heavy!r}))"
    done = subprocess.run([sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
