import fcntl
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dvc.repo import Repo
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows import server as servers
from flows.doctor import checkout, environment, gpu, locks, machine, versions
from flows.doctor.checks import checks
from flows.doctor.finding import DoubtError, TroubleError, examine
from pipelines.errors import ReleaseError
from pipelines.recipe_file import read_yaml, write_yaml

pytestmark = [
    pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning"),  # DVC, when it builds its graph
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),  # of dulwich, which DVC reads git with
]
ROOT = Path(__file__).resolve().parents[2]
DEPLOYMENTS = [one["name"] for one in read_yaml(ROOT / "prefect.yaml")["deployments"]]
AGO = (time.time() - 7200,) * 2


def git(folder, *arguments):
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def house(tmp_path):
    """A project with the recipe demo, committed; DVC knows it."""
    root = tmp_path / "house"
    (root / "recipes").mkdir(parents=True)
    git(root, "init", "-q", "-b", "main")
    git(root, "config", "user.name", "Ada")
    git(root, "config", "user.email", "ada@example.org")
    Repo.init(str(root)).close()
    for name in ("dvc.yaml", "pyproject.toml", "requirements.lock", "recipes/demo.yaml"):
        shutil.copy(ROOT / name, root / name)
    write_yaml({"recipes": {"demo": "phantom"}}, root / "params.yaml")
    (root / ".gitignore").write_text(".filmgate/\n/data/\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "a house")
    return root


def test_a_line_is_said_of_each_check_and_a_broken_one_stops_no_other(capsys):
    def doubt():
        raise DoubtError("Two", "one", "Take one away.")

    def trouble():
        raise TroubleError("None", "one", "Make one.")

    def own():
        raise ReleaseError("There is no release. Make one.")

    def broken():
        return {}["absent"]

    def leaves():
        sys.exit("gone")

    names = [("a", lambda: "fine"), ("b", doubt), ("c", trouble), ("d", own), ("e", broken), ("f", leaves)]
    assert not examine(names)
    assert capsys.readouterr().out.splitlines() == [
        "ok    a: fine",
        "warn  b: Two. Expected one. Take one away.",
        "FAIL  c: None. Expected one. Make one.",
        "FAIL  d: There is no release. Make one.",
        "FAIL  e: KeyError: 'absent'. Expected that this can be looked at. Mend this, and run it again.",
        "FAIL  f: SystemExit: gone. Expected that this can be looked at. Mend this, and run it again.",
        "FAIL: 4 of 6 checks (1 warned).",
    ]
    assert examine(names[:2])
    assert capsys.readouterr().out.endswith("ok: none of 2 failed (1 warned).\n")


def test_a_sound_house_fails_in_nothing(house, capsys, monkeypatch):
    monkeypatch.setattr(servers, "LOCAL", "http://127.0.0.1:9/api")
    (house / "data").mkdir()
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        sound = examine(checks(house))
    said = capsys.readouterr().out
    assert sound, said
    assert "ok    git name: Ada <ada@example.org>" in said
    assert "warn  Prefect server: No Prefect server runs" in said


@pytest.mark.parametrize("broken", ["everything", "dvc", "git", "recipes", "nothing is there"])
def test_whatever_is_broken_there_is_no_traceback(house, capsys, monkeypatch, broken):
    monkeypatch.setattr(servers, "LOCAL", "http://127.0.0.1:9/api")
    if broken == "everything":
        for path in ("dvc.yaml", "params.yaml", "pyproject.toml", "requirements.lock", ".dvc/config"):
            (house / path).write_bytes(b"\xff\x00{[: broken")
    elif broken == "nothing is there":
        shutil.rmtree(house)
        house.mkdir()
    elif broken == "git":
        (house / ".git/HEAD").write_text("nonsense")
    elif broken == "dvc":
        (house / "dvc.yaml").write_text("stages: {train: [}")
    else:
        (house / "recipes/demo.yaml").write_text("title: [")
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        assert not examine(checks(house))
    said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err
    assert said.out.count("FAIL  ") >= 1
    assert all(line.startswith(("ok", "warn", "FAIL")) for line in said.out.splitlines())


def test_another_python_than_the_project_asks_for_is_named(house):
    assert sys.executable.rsplit("/", 1)[-1] in machine.python(house)
    (house / "pyproject.toml").write_text('[project]\nrequires-python = ">=3.99"\n')
    with pytest.raises(TroubleError, match=r"Expected >=3.99"):
        machine.python(house)


def test_a_package_that_is_missing_fails_and_another_version_is_doubtful(house):
    (house / "requirements.lock").write_text("packaging==1.0  # a remark\nno-such-thing==2.1\n")
    with pytest.raises(TroubleError, match=r"no-such-thing 2.1 is missing"):
        machine.packages(house)
    (house / "requirements.lock").write_text("packaging==1.0\nno-such-thing==2.1 ; sys_platform == 'elsewhere'\n")
    with pytest.raises(DoubtError, match=r"packaging \S+ for 1.0 is not as pinned"):
        machine.packages(house)


def test_a_build_for_gpus_stands_in_for_the_usual_one(house, monkeypatch):
    class Installed:
        name, version = "tensorflow", "2.21.0"

    monkeypatch.setattr(machine, "distributions", lambda: [Installed])
    (house / "requirements.lock").write_text("tensorflow-cpu==2.21.0\n")
    assert machine.packages(house).startswith("all 1")


@pytest.mark.parametrize(("limit", "kind"), [("LEAST_FREE", DoubtError), ("LEAST_TO_GO_ON", TroubleError)])
def test_a_volume_that_fills_up_is_named_before_it_is_full(house, monkeypatch, limit, kind):
    assert "free at" in machine.disk([house, house / "not there yet"])
    monkeypatch.setattr(machine, limit, 2**60)
    with pytest.raises(kind, match="are free where") as raised:
        machine.disk([house])
    assert type(raised.value) is kind


def test_a_volume_without_room_for_more_files_is_named(house, monkeypatch):
    monkeypatch.setattr(machine, "LEAST_FILES", 2**62)
    with pytest.raises(TroubleError, match="more files can be made where"):
        machine.disk([house])


def test_a_folder_that_cannot_be_written_to_is_named(house):
    (house / "data").write_text("no folder")
    with pytest.raises(TroubleError, match=r"data cannot be written to \(File exists\)"):
        machine.writable(house)


def test_files_of_the_future_are_doubtful(house):
    assert machine.clock(house).startswith("20")
    later = time.time() + 3600
    os.utime(house / "dvc.yaml", (later, later))
    with pytest.raises(DoubtError, match=r"dvc.yaml is of the future"):
        machine.clock(house)


def test_a_clock_that_goes_otherwise_than_the_disks_is_named(house, monkeypatch):
    now = time.time()
    monkeypatch.setattr(machine.time, "time", lambda: now - 300)
    with pytest.raises(TroubleError, match=r"\+300 s from this machine's clock"):
        machine.clock(house)


def test_a_variable_that_nothing_reads_is_named_with_its_nearest(house):
    assert environment.variables({"HOME": "x"}) == "none set"
    assert environment.variables({"FILMGATE_MAX_BATCH": "4"}) == "FILMGATE_MAX_BATCH"
    with pytest.raises(DoubtError, match="Did you mean FILMGATE_MAX_BATCH"):
        environment.variables({"FILMGATE_MAX_BATHC": "4"})
    with pytest.raises(ReleaseError, match="FILMGATE_MAX_BATCH is 'many'"):
        environment.variables({"FILMGATE_MAX_BATCH": "many"})


def test_every_variable_that_the_code_reads_is_known():
    written = set()
    for folder in ("pipelines", "flows", "serving"):
        for path in (ROOT / folder).rglob("*.py"):
            written |= {name.strip("\"'") for name in quoted(path.read_text())}
    assert written <= environment.known()


def quoted(code):
    """Names of variables in quotes; what is longer than a name is a sentence."""
    return re.findall(r"""["']FILMGATE_[A-Z_]+["']""", code)


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # imported by Apprise
def test_addresses_of_notifications_are_understood_or_counted_without_showing_them():
    with pytest.raises(DoubtError, match="FILMGATE_NOTIFY is not set"):
        environment.notifications({})
    good = "json://localhost/hook mailto://ann:secret@example.org"
    assert environment.notifications({"FILMGATE_NOTIFY": good}) == "2 understood (json, mailto); nothing was sent"
    with pytest.raises(TroubleError, match=r"Address 2 of 2 in FILMGATE_NOTIFY \(nonsense\)") as raised:
        environment.notifications({"FILMGATE_NOTIFY": "json://localhost/hook nonsense://ann:secret@x"})
    assert "secret" not in str(raised.value)


def test_a_dask_scheduler_is_looked_for_where_the_variable_points():
    assert environment.cluster({}).startswith("not used")
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{listening.getsockname()[1]}"
        listening.listen()
        assert address in environment.cluster({"FILMGATE_DASK": address})
    with pytest.raises(TroubleError, match="Nothing answers at"):
        environment.cluster({"FILMGATE_DASK": address})


def test_a_folder_without_git_and_one_without_a_commit_are_told_apart(house, tmp_path):
    assert "on main" in checkout.checkout(house)
    with pytest.raises(TroubleError, match="is no git checkout"):
        checkout.checkout(tmp_path)
    git(tmp_path, "init", "-q")
    with pytest.raises(TroubleError, match="There is no commit yet"):
        checkout.checkout(tmp_path)


def test_a_nameless_git_is_named(house, monkeypatch):
    git(house, "config", "--unset", "user.email")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    for name in ("GIT_COMMITTER_EMAIL", "GIT_AUTHOR_EMAIL", "EMAIL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(DoubtError, match="git does not know who you are"):
        checkout.committer(house)


def test_edits_that_scheduled_runs_do_not_see_are_named(house):
    assert checkout.edits(house).startswith("none")
    (house / "recipes/demo.yaml").write_text("title: other")
    (house / "new.txt").write_text("")
    with pytest.raises(DoubtError, match=r"Not committed: recipes/demo.yaml, new.txt"):
        checkout.edits(house)


def test_a_recipe_without_a_file_and_a_stage_that_is_missing_are_named(house):
    assert checkout.chain(house) == "1 recipes, 6 stages"
    write_yaml({"recipes": {"demo": "phantom", "ward": "ward"}}, house / "params.yaml")
    with pytest.raises(TroubleError, match="Recipe ward"):
        checkout.chain(house)
    write_yaml({"recipes": {"demo": "phantom"}}, house / "params.yaml")
    write_yaml({"stages": {"train": {"cmd": "true", "outs": ["x"]}}}, house / "dvc.yaml")
    with pytest.raises(TroubleError, match="has no package@demo"):
        checkout.chain(house)


def test_a_cache_that_is_no_folder_is_named(house):
    assert ".dvc/cache" in versions.cache(house)
    shutil.rmtree(house / ".dvc/cache", ignore_errors=True)
    (house / ".dvc/cache").write_text("no folder")
    with pytest.raises(TroubleError, match=r"DVC's cache \S+ cannot be used"):
        versions.cache(house)


def test_no_remote_is_doubtful_one_that_is_there_is_fine_and_an_empty_one_is_said(house, tmp_path):
    with pytest.raises(DoubtError, match="DVC has no remote"):
        versions.remote(house)
    (house / ".dvc/config").write_text(f"[core]\nremote = store\n['remote \"store\"']\nurl = {tmp_path}/films/store\n")
    with pytest.raises(DoubtError, match="The remote store answers, and nothing is at"):
        versions.remote(house)
    (tmp_path / "films/store").mkdir(parents=True)
    assert versions.remote(house) == f"store answers: {tmp_path}/films/store"


def test_a_remote_that_is_gone_or_silent_is_named_in_time(house):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        silent.listen()
        (house / ".dvc/config").write_text(
            f"[core]\nremote = store\n['remote \"store\"']\nurl = s3://films\nendpointurl = http://127.0.0.1:{port}\n"
            "access_key_id = a\nsecret_access_key = b\n"
        )
        with pytest.raises(TroubleError, match=r"The remote store gave no answer within 1 s"):
            versions.remote(house, seconds=1)
        code = f"import pathlib; from flows.doctor import versions; versions.remote(pathlib.Path({str(house)!r}), 1)"
        ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
        assert "gave no answer within 1 s" in ended.stderr  # and the thread that still waits does not hold it up


def test_workspaces_in_use_are_named_and_locks_without_one_are_doubtful(house):
    runs = house / ".filmgate/runs"
    (runs / "demo-1").mkdir(parents=True)
    (runs / "demo-1.lock").touch()
    assert locks.workspaces(house) == "none of 1 is in use"
    with (runs / "demo-1.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert locks.workspaces(house) == "in use: demo-1"
    (runs / "demo-1").rmdir()
    with pytest.raises(DoubtError, match=r"1 lock files without a workspace, e.g. demo-1.lock"):
        locks.workspaces(house)


def test_who_holds_dvc_is_named_and_what_a_killed_run_left_is_told_apart(house):
    assert locks.dvc_lock(house) == "free"
    tmp = house / ".dvc/tmp"
    tmp.mkdir(exist_ok=True)
    with (tmp / "lock").open("w") as lock:
        lock.write(f" {os.getpid()}\n")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert locks.dvc_lock(house).startswith(f"held by process {os.getpid()}: ")
    write = {"write": {"data/x": {"pid": os.getpid(), "cmd": "/usr/bin/nothing of the kind"}}, "read": {}}
    (tmp / "rwlock").write_text(json.dumps(write))
    with pytest.raises(TroubleError, match="which is another one by now"):
        locks.dvc_lock(house)
    write["write"]["data/x"]["cmd"] = sys.executable
    (tmp / "rwlock").write_text(json.dumps(write))
    assert locks.dvc_lock(house).startswith(f"process {os.getpid()} writes data/x")
    write["write"]["data/x"]["pid"] = 2**22 + 1  # more than Linux gives
    (tmp / "rwlock").write_text(json.dumps(write))
    assert locks.dvc_lock(house) == "free"
    (tmp / "rwlock").write_text('{"write": {"da')
    with pytest.raises(TroubleError, match="rwlock is damaged, and every run stops at it"):
        locks.dvc_lock(house)


def test_a_lock_that_a_killed_git_left_is_named(house):
    assert locks.git_lock(house) == "free"
    (house / ".git/index.lock").touch()
    with pytest.raises(DoubtError, match="unless git runs now"):
        locks.git_lock(house)
    os.utime(house / ".git/index.lock", AGO)
    with pytest.raises(TroubleError, match=r"is 12\d minutes old, so that nothing can be committed"):
        locks.git_lock(house)


@pytest.fixture
def nvidia(tmp_path, monkeypatch):
    """A machine whose driver says what a test wants."""

    def say(text, status=0):
        command = tmp_path / "nvidia-smi"
        command.write_text(f"#!/bin/sh\necho '{text}'\nexit {status}\n")
        command.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    return say


def test_a_gpu_that_the_build_of_tensorflow_cannot_use_is_said(nvidia):
    nvidia("GPU 0: NVIDIA Something (UUID: GPU-1)")
    if not gpu._installed("tensorflow-cpu"):
        pytest.skip("the build for GPUs is installed here")
    with pytest.raises(DoubtError, match="GPU 0: NVIDIA Something is here, and tensorflow-cpu .* make gpu"):
        gpu.gpu()


def test_a_driver_that_fails_is_said(nvidia):
    nvidia("Failed to initialize NVML: Driver/library version mismatch", 18)
    with pytest.raises(TroubleError, match="nvidia-smi ended with 18"):
        gpu.gpu()


def test_a_service_that_shall_use_cuda_needs_the_build_that_has_it(monkeypatch):
    monkeypatch.delenv("FILMGATE_DEVICE", raising=False)
    assert gpu.serving_device().startswith("cpu, of ")
    monkeypatch.setenv("FILMGATE_DEVICE", "cuda")
    if "CUDA" in gpu._ask(gpu.ASK_ONNX):
        pytest.skip("the build for GPUs is installed here")
    with pytest.raises(TroubleError, match="FILMGATE_DEVICE is cuda, and ONNX Runtime has"):
        gpu.serving_device()


def test_the_command_ends_with_a_status_and_a_sum():
    said = subprocess.run([sys.executable, "-m", "flows.doctor"], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert said.returncode == (1 if "\nFAIL: " in said.stdout else 0)
    assert said.stderr == ""
    assert len(said.stdout.splitlines()) > 20
