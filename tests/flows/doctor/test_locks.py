import fcntl
import json
import os
import sys
import time

import pytest

from flows.doctor import locks
from flows.doctor.finding import DoubtError, TroubleError

AGO = (time.time() - 7200,) * 2


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
