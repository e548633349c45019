import shutil
import subprocess
import sys

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows import server as servers
from flows.doctor.checks import checks
from flows.doctor.finding import DoubtError, TroubleError, examine
from pipelines.errors import ReleaseError
from tests.flows.projects import ROOT

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # of dulwich, which DVC reads git with


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


def test_the_command_ends_with_a_status_and_a_sum():
    said = subprocess.run([sys.executable, "-m", "flows.doctor"], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert said.returncode == (1 if "\nFAIL: " in said.stdout else 0)
    assert said.stderr == ""
    assert len(said.stdout.splitlines()) > 20
