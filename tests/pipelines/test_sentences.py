import errno
import shutil

import pytest

from pipelines.errors import DiskError, GateError
from pipelines.sentences import disk_faults, in_one_sentence


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "data/x"), "The disk of data/x is full"),
        (OSError(errno.EROFS, "Read-only file system", "data/x"), "The disk of data/x may not be written to"),
        (PermissionError(errno.EACCES, "Permission denied", "data/x"), "The disk of data/x may not be written to"),
        (shutil.Error([("a", "b", "[Errno 28] No space left on device: 'b'")]), "A disk is full"),
    ],
)
def test_a_disk_that_takes_nothing_is_one_sentence(error, sentence):
    with pytest.raises(DiskError, match=sentence), disk_faults():
        raise error
    with pytest.raises(DiskError, match=sentence), disk_faults():
        try:
            raise error
        except OSError as cause:
            raise RuntimeError("a library's own words") from cause


def test_other_faults_stay_what_they_are():
    for error in (ValueError("no"), FileNotFoundError(errno.ENOENT, "No such file", "x"), GateError("no gate")):
        with pytest.raises(type(error)), disk_faults():
            raise error


def test_a_command_ends_with_the_sentence_of_a_full_disk(capsys):
    with pytest.raises(SystemExit) as ended, in_one_sentence():
        raise OSError(errno.ENOSPC, "No space left on device", "data/x")
    assert ended.value.code == 1
    assert capsys.readouterr().err == (
        "error: The disk of data/x is full (No space left on device). "
        "Make room (`python -m flows.upkeep` finds some), and run again: what was done is kept.\n"
    )
