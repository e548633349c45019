import errno
import os

import pytest
from dvc.repo import Repo

from flows import stages
from flows.stages import Chain
from pipelines.errors import DiskError


@pytest.mark.parametrize("ask", [Chain.settled, lambda chain: chain.stale("train@demo")])
def test_a_folder_that_may_not_be_written_to_is_told_when_it_is_asked_whether_anything_must_run(
    tmp_path, monkeypatch, ask
):
    def refuse(repo):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(tmp_path / ".dvc" / "tmp" / "lock"))

    Repo.init(str(tmp_path), no_scm=True).close()
    chain = Chain(tmp_path, "demo")
    monkeypatch.setattr(stages, "lock_repo", refuse)
    with pytest.raises(DiskError):
        ask(chain)
