import os

import pytest

from flows.git import MOST_WORDS, git
from pipelines.errors import ChainError, DiskError

FULL = """error: unable to write file a.py
error: unable to write file b.py
fatal: sha1 file '.git/index.lock' write error. Out of diskspace
"""


@pytest.fixture
def failing(tmp_path, monkeypatch):
    """Let git fail with these words."""

    def fail(said):
        (tmp_path / "said").write_text(said)
        (tmp_path / "git").write_text(f"#!/bin/sh\ncat {tmp_path / 'said'} >&2\nexit 128\n")
        (tmp_path / "git").chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        return tmp_path

    return fail


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (FULL, "A disk is full"),
        ("fatal: write error: No space left on device\n", "A disk is full"),
        ("fatal: Unable to create '.git/index.lock': Read-only file system\n", "A disk may not be written to"),
    ],
)
def test_a_disk_that_takes_nothing_is_one_sentence(failing, said, sentence):
    with pytest.raises(DiskError, match=f"^{sentence} "):
        git(failing(said), "checkout", "HEAD")


def test_of_many_lines_the_last_ones_are_told(failing):
    root = failing("error: a file\n" * 1000 + "fatal: the reason\n")
    with pytest.raises(ChainError, match=r": … .*fatal: the reason$") as raised:
        git(root, "checkout", "HEAD")
    assert len(str(raised.value)) < MOST_WORDS + len(str(root)) + 50


def test_a_short_reason_is_told_whole(failing):
    with pytest.raises(ChainError, match="^git checkout failed in .*: fatal: no such branch hint: name another$"):
        git(failing("fatal: no such branch\nhint: name another\n"), "checkout", "HEAD")
