import subprocess
from datetime import UTC, datetime

import numpy as np
import pytest

from pipelines import provenance
from pipelines.card import sha256
from pipelines.errors import ReleaseError
from pipelines.provenance import code_digest, decided, hashes, revision, versions

NOON = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def code(tmp_path):
    """A project of one module."""
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "serving").mkdir()
    (tmp_path / "pipelines" / "one.py").write_text("ONE = 1\n")
    return tmp_path


@pytest.fixture
def repository(code):
    """The same under git, with one commit."""
    for order in (
        ["init", "--quiet"],
        ["config", "user.name", "Ada"],
        ["config", "user.email", "ada@example.org"],
        ["add", "."],
        ["commit", "--quiet", "--message", "One"],
    ):
        subprocess.run(["git", "-C", str(code), *order], check=True)
    return code


def test_each_file_has_its_hash_under_its_name(code):
    file = code / "pipelines" / "one.py"
    assert hashes({"recipe": file}) == {"recipe": sha256(file)}


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ReleaseError, match=r"no .*lock\.txt"):
        hashes({"lock": tmp_path / "lock.txt"})


@pytest.mark.parametrize(
    ("file", "changed"),
    [("pipelines/one.py", True), ("serving/page.md.j2", True), ("pipelines/notes.txt", False), ("README.md", False)],
)
def test_the_digest_of_the_code_changes_with_code_alone(code, file, changed):
    before = code_digest(code)
    (code / file).write_text("Something else\n")
    assert (code_digest(code) != before) == changed


def test_the_digest_of_the_code_changes_with_a_file_s_name(code):
    before = code_digest(code)
    (code / "pipelines" / "one.py").rename(code / "pipelines" / "two.py")
    assert code_digest(code) != before


def test_versions_are_those_of_this_process():
    found = versions()
    assert found["numpy"] == np.__version__
    assert found["python"].count(".") == 2


def test_a_library_that_is_not_installed_is_left_out(monkeypatch):
    monkeypatch.setattr(provenance, "LIBRARIES", ("numpy", "no-such-library"))
    assert set(versions()) == {"python", "numpy"}


def test_a_clean_working_copy_has_a_commit_and_no_changes(repository):
    found = revision(repository)
    assert len(found["revision"]) == 40
    assert found["changed"] == []


def test_changed_and_new_files_are_named_but_not_the_lock_of_this_run(repository):
    (repository / "pipelines" / "one.py").write_text("ONE = 2\n")
    (repository / "serving" / "new.py").write_text("")
    (repository / "dvc.lock").write_text("")
    assert sorted(revision(repository)["changed"]) == ["pipelines/one.py", "serving/new.py"]


def test_outside_git_there_is_no_revision(code, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(code.parent))
    assert revision(code) is None


def test_without_git_there_is_no_revision_and_the_user_decides(code, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(provenance.getpass, "getuser", lambda: "grace")
    assert revision(code) is None
    assert decided(code, NOON)["by"] == "grace"


def test_a_user_without_a_name_is_unknown(code, monkeypatch):
    def nobody():
        raise KeyError("uid not found")

    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(provenance.getpass, "getuser", nobody)
    assert decided(code, NOON)["by"] == "unknown"


def test_who_decided_by_which_rule_and_when(repository):
    assert decided(repository, NOON) == {
        "by": "Ada <ada@example.org>",
        "rule": "all gates passed",
        "at": "2026-01-02T12:00:00+00:00",
    }
