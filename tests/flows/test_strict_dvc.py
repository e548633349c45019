"""A version whose files are not all in the cache is never taken for kept: real DVC, whose cache refuses a file."""

import hashlib
import subprocess
import sys
from contextlib import chdir
from pathlib import Path

import pytest
from dvc.exceptions import UploadError
from dvc.repo import Repo

from flows.stages import Chain
from flows.strict_dvc import IncompleteError, LostError, complete, quiet
from pipelines.errors import ChainError

STAGE = "package@demo"
PROC = Path("/proc")  # takes no new file from anybody, root included
MAKE = """
stages:
  package:
    foreach: {demo: {}}
    do:
      cmd: echo made >> runs; mkdir -p out; echo kept > out/kept; echo lost > out/lost
      outs: [out]
"""

needs_proc = pytest.mark.skipif(not PROC.is_dir(), reason="there is no /proc, where nobody may write")


@pytest.fixture
def project(tmp_path):
    """A project with one stage that makes two files."""
    Repo.init(str(tmp_path), no_scm=True).close()
    (tmp_path / "dvc.yaml").write_text(MAKE)
    quiet()
    with chdir(tmp_path):
        yield tmp_path


def refuses(objects, content):
    """Let a folder of objects refuse the file with this content; what lets it take the file again is given back."""
    place = objects / hashlib.md5(content).hexdigest()[:2]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(PROC)
    return place.unlink


@pytest.fixture
def mended(project):
    return refuses(project / ".dvc" / "cache" / "files" / "md5", b"lost\n")


def run(project):
    """Run the stage as a flow does: it first asks whether anything must run."""
    chain = Chain(project, "demo")
    chain.settled()
    return chain.reproduce(STAGE)


def missing(project):
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "status", STAGE], cwd=project, capture_output=True, text=True, check=True
    )
    return "not in cache" in done.stdout


@needs_proc
def test_dvc_itself_ends_well(project, mended):
    with Repo(str(project)) as repo:
        assert repo.reproduce(STAGE)
    assert missing(project)


@needs_proc
def test_a_stage_whose_result_cannot_be_kept_fails_and_is_not_made_twice(project, mended, capfd):
    with pytest.raises(ChainError, match=rf"DVC cannot keep what {STAGE} made \(1 file was not moved: .*/cache/"):
        run(project)
    assert "failed to transfer" not in capfd.readouterr().err
    with pytest.raises(ChainError, match="not moved"):
        run(project)  # nothing was mended
    mended()
    assert not run(project).ran
    assert not missing(project)
    assert Chain(project, "demo").settled()
    assert Path("runs").read_text() == "made\n"


@needs_proc
def test_a_result_that_was_changed_before_it_could_be_kept_is_made_again(project, mended):
    with pytest.raises(ChainError):
        run(project)
    mended()
    Path("out", "lost").write_text("by hand")
    assert run(project).ran
    assert Path("out", "lost").read_text() == "lost\n"
    assert not missing(project)


@needs_proc
def test_data_are_not_taken_for_kept(project, mended):
    Path("films").mkdir()
    Path("films", "1").write_text("lost\n")
    with Repo(str(project)) as repo, pytest.raises(IncompleteError, match="1 file was not moved"), complete():
        repo.add("films")


@pytest.fixture
def remote(project):
    """A folder that is the remote of what the stage makes."""
    run(project)
    with Repo(str(project)) as repo, repo.config.edit() as settings:
        settings["remote"]["store"] = {"url": str(project / "remote")}
        settings["core"]["remote"] = "store"
    return project / "remote"


@needs_proc
def test_a_remote_that_refuses_a_file_is_told_with_the_reason(project, remote):
    mend = refuses(remote / "files" / "md5", b"lost\n")
    with Repo(str(project)) as repo:
        with pytest.raises(UploadError, match="^2 files failed to upload$"):  # with its folder
            repo.push()
        with pytest.raises(IncompleteError, match="1 file was not moved: .*/remote/"), complete():
            repo.push()
        mend()
        with complete():
            assert repo.push()


def test_files_that_are_nowhere_are_told_and_all_others_arrive(project, remote, capfd):
    digest = hashlib.md5(b"lost\n").hexdigest()
    (project / ".dvc" / "cache" / "files" / "md5" / digest[:2] / digest[2:]).unlink()
    with Repo(str(project)) as repo:
        assert repo.push()  # DVC itself ends well
        with pytest.raises(LostError, match="^1 file was found neither here nor at the remote$"), complete():
            repo.push()
    assert [file.read_text() for file in remote.rglob("*") if file.is_file()] == ["kept\n"]
    assert "Some of the cache files" not in capfd.readouterr().err
