import os
import sys
import time

import pytest

from flows.doctor import machine
from flows.doctor.finding import DoubtError, TroubleError


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
