import shutil
import socket
import subprocess
import sys

import pytest

from flows.doctor import versions
from flows.doctor.finding import DoubtError, TroubleError
from tests.flows.projects import ROOT

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # of dulwich, which DVC reads git with


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
