"""What a killed run, or a full disk, leaves half written of DVC's files: the next run goes on all the same."""

import errno
import os
import signal
import subprocess
import sys
import time
from contextlib import chdir
from pathlib import Path

import pytest
from dvc.dvcfile import Lockfile
from dvc.repo import Repo
from filelock import FileLock

from flows import broken_off
from flows.broken_off import COPY, copied
from flows.project import HERE
from flows.stages import Chain
from pipelines.errors import ChainError, DiskError

STAGE = "package@demo"
MAKE = """
stages:
  other:
    cmd: echo other > other
    outs: [other]
  package:
    foreach: {demo: {}}
    do:
      cmd: echo made > out
      outs: [out]
"""
KILLED = """
import os, signal, sys
from pathlib import Path
from dvc.dvcfile import Lockfile
from flows.stages import Chain

write = Lockfile.dump_stages

def broken_off(lock, *told, **named):
    write(lock, *told, **named)
    content = Path(lock.path).read_bytes()
    Path(lock.path).write_bytes(content[: int(float(sys.argv[1]) * len(content))])
    os.kill(os.getpid(), signal.SIGKILL)

Lockfile.dump_stages = broken_off
Chain(Path.cwd(), "demo").reproduce("package@demo")
"""


@pytest.fixture
def project(tmp_path):
    """A project with two stages that nobody ran."""
    with Repo.init(str(tmp_path), no_scm=True) as repo:
        Path(repo.tmp_dir).mkdir(parents=True, exist_ok=True)
    (tmp_path / "dvc.yaml").write_text(MAKE)
    with chdir(tmp_path):
        yield tmp_path


def killed(project, share):
    """Run the stage, and die when this share of dvc.lock is written."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(share)],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(HERE)},
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_a_first_run_that_died_writing_is_run_again(project, share):
    killed(project, share)
    assert Chain(project, "demo").reproduce(STAGE).ran
    assert Chain(project, "demo").settled()


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_what_was_known_before_is_known_again(project, share):
    with Repo(str(project)) as repo:
        repo.reproduce("other")
    before = Path("dvc.lock").read_text()
    killed(project, share)
    chain = Chain(project, "demo")
    assert Path("dvc.lock").read_text() == before
    assert chain.reproduce(STAGE).ran
    assert Path("dvc.lock").read_text().startswith(before)
    assert not Path(COPY).exists()


def test_a_file_that_somebody_else_spoilt_stays_as_it_is(project):
    Path("dvc.lock").write_text("<<<<<<< ours")
    with pytest.raises(ChainError, match="DVC cannot read the stages"):
        Chain(project, "demo").settled()
    assert Path("dvc.lock").read_text() == "<<<<<<< ours"


@pytest.mark.parametrize("fault", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_full_disk_and_an_interrupt_leave_no_half_of_it(project, monkeypatch, fault):
    with Repo(str(project)) as repo:
        repo.reproduce("other")
    before = Path("dvc.lock").read_text()

    def broken_off(lock, *_, **__):
        Path(lock.path).write_text(before[:-9])
        raise fault

    monkeypatch.setattr(Lockfile, "dump_stages", broken_off)
    with pytest.raises((DiskError, KeyboardInterrupt)):
        Chain(project, "demo").reproduce(STAGE)
    assert Path("dvc.lock").read_text() == before
    assert not Path(COPY).exists()


def test_nothing_is_put_back_while_another_run_is_at_work(project):
    Path("dvc.lock").write_text("before")
    with copied(project):
        Path("dvc.lock").write_text("written by it")
        with copied(project):  # a second run in the same folder goes on without a copy of its own
            Chain(project, "demo")
        assert Path(COPY).read_text() == "before"
        assert Path("dvc.lock").read_text() == "written by it"
    Chain(project, "demo")
    assert Path("dvc.lock").read_text() == "written by it"


def test_nothing_is_put_back_of_a_run_that_ends_well_at_that_moment(project, monkeypatch):
    Path("dvc.lock").write_text("before")
    at_work = copied(project)
    at_work.__enter__()

    class LastMoment(FileLock):
        def acquire(self, *told, **named):
            Path("dvc.lock").write_text("written by it")
            at_work.__exit__(None, None, None)
            return super().acquire(*told, **named)

    monkeypatch.setattr(broken_off, "FileLock", LastMoment)
    Chain(project, "demo")
    assert Path("dvc.lock").read_text() == "written by it"


def test_a_stage_that_fails_leaves_no_copy(project):
    Path("dvc.yaml").write_text(MAKE.replace("echo made > out", "exit 3"))
    with pytest.raises(ChainError):
        Chain(project, "demo").reproduce(STAGE)
    assert not Path(COPY).exists()


@pytest.fixture
def rwlock(project):
    """Where DVC lists who reads and writes what."""
    return project / ".dvc" / "tmp" / "rwlock"


@pytest.mark.parametrize("said", ["", '{"a": [{"pid"'])
def test_a_list_that_a_full_disk_broke_off_is_removed(project, rwlock, said):
    rwlock.write_text(said)
    os.utime(rwlock, (0, 0))
    Chain(project, "demo")
    assert not rwlock.exists()


@pytest.mark.parametrize(("said", "written"), [("{}", 0.0), ("", None)])
def test_a_list_that_is_whole_or_still_being_written_stays(project, rwlock, said, written):
    rwlock.write_text(said)
    os.utime(rwlock, (written, written) if written is not None else (time.time(), time.time()))
    Chain(project, "demo")
    assert rwlock.read_text() == said
