import json
import shutil
import socket
import subprocess

import pytest

from pipelines.card import sha256
from serving.serve import main, released_bento, unpacked


@pytest.fixture
def refusal(processes):
    """Runs the command to its end, and gives what it said; it must end with status 1."""

    def run(release, store, port=None):
        command = processes.serve_command(release, store, port or processes.free_port())
        done = subprocess.run(command, cwd=processes.root, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        return done.stderr.strip().splitlines()[-1]

    return run


@pytest.fixture
def copied(release, tmp_path):
    """A copy of the release that a test may damage."""
    return shutil.copytree(release, tmp_path / "release")


def said(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return str(ended.value)


def test_without_a_release_it_says_to_run_the_flow(tmp_path):
    message = said("--recipe", "demo", "--release", tmp_path, "--store", tmp_path)
    assert f"There is no {tmp_path / 'release.json'}" in message
    assert "python -m flows.retrain --recipe demo" in message


def test_a_release_note_that_cannot_be_read_is_named(copied, tmp_path):
    (copied / "release.json").write_text("{}")
    assert "release.json is not a release's description" in said("--release", copied, "--store", tmp_path)


def test_a_missing_bento_is_named(copied, tmp_path):
    bento = next(copied.glob("*.bento"))
    bento.unlink()
    assert f"There is no {bento}" in said("--release", copied, "--store", tmp_path)


def test_a_changed_bento_is_not_served(copied, tmp_path):
    with next(copied.glob("*.bento")).open("ab") as file:
        file.write(b"more")
    assert "has SHA-256" in said("--release", copied, "--store", tmp_path)
    assert not (tmp_path / "unpacked").exists()


def test_a_bento_is_unpacked_once(release, tmp_path):
    bento = released_bento(release, "demo")
    folder = unpacked(bento, tmp_path / "store")
    (folder / "mark").touch()
    assert unpacked(bento, tmp_path / "store") == folder
    assert (folder / "mark").exists()
    assert [path.name for path in (tmp_path / "store").iterdir()] == [folder.name]


def test_a_bento_of_an_earlier_version_is_to_be_released_again(release, tmp_path):
    folder = unpacked(released_bento(release, "demo"), tmp_path / "unpacked")
    (folder / "src/serving/host.py").unlink()
    assert "was released by an earlier version" in said("--release", release, "--store", tmp_path)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [("model.onnx", b"brightness", b"brightnesS"), ("card.json", b'"threshold": 0.5', b'"threshold": 0.6')],
)
def test_a_changed_model_is_refused_at_start(release, tmp_path, refusal, file, old, new):
    folder = unpacked(released_bento(release, "demo"), tmp_path / "unpacked")
    changed = next(folder.glob(f"models/*/*/{file}"))
    changed.write_bytes(changed.read_bytes().replace(old, new))
    assert f"{file} has SHA-256" in refusal(release, tmp_path)


def test_a_reference_film_that_is_answered_differently_is_refused_at_start(release, tmp_path, refusal):
    folder = unpacked(released_bento(release, "demo"), tmp_path / "unpacked")
    films, note = next(folder.glob("models/*/*/reference.json")), folder / "src/serving/released.json"
    entries, named = json.loads(films.read_text()), json.loads(note.read_text())
    entries[0]["answer"]["probabilities"]["NORMAL"] -= 0.01
    films.write_text(json.dumps(entries))
    note.write_text(json.dumps(named | {"files": named["files"] | {films.name: sha256(films)}}))
    assert f"The reference film {entries[0]['name']} is answered differently" in refusal(release, tmp_path)


def test_a_wrong_setting_is_refused_at_start(release, tmp_path, refusal, monkeypatch):
    monkeypatch.setenv("FILMGATE_DEVICE", "tpu")
    assert "FILMGATE_DEVICE is 'tpu'" in refusal(release, tmp_path)


def test_a_missing_model_is_refused_at_start(release, tmp_path, refusal):
    folder = unpacked(released_bento(release, "demo"), tmp_path / "unpacked")
    next(folder.glob("models/*/*/model.onnx")).unlink()
    assert "There is no" in refusal(release, tmp_path)


def test_a_port_that_is_taken_is_named(release, tmp_path, refusal):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"Cannot listen on 127.0.0.1:{port}" in refusal(release, tmp_path, port)


def test_the_first_start_is_as_quick(release, tmp_path, processes):
    port = processes.free_port()
    with processes.running(processes.serve_command(release, tmp_path, port)) as process:
        assert processes.seconds_until(f"http://127.0.0.1:{port}/readyz", process) < 5
