"""The remote of today takes and gives versions that were made before there was one."""

import subprocess
import sys

import pytest

from flows import registry
from flows.remote import push_versions, remote
from pipelines.errors import RemoteError
from pipelines.registry import versions
from tests.flows.projects import git, project_with_data
from tests.flows.test_registry import released


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with a version, of whose files nothing is in the working copy."""
    project = project_with_data(tmp_path_factory.mktemp("old") / "project")
    released(project)
    return project


def dvc(project, *words):
    subprocess.run([sys.executable, "-m", "dvc", *words], cwd=project, check=True)


def test_without_a_remote_one_sentence_says_how_to_name_one(project):
    assert remote(project) is None
    with pytest.raises(RemoteError, match="The project has no remote for its versions. Name one: dvc remote add"):
        push_versions(project)


def test_versions_go_to_a_remote_that_came_later_and_from_there_into_another_clone(project, tmp_path):
    dvc(project, "remote", "add", "-d", "store", str(tmp_path / "store"))
    dvc(project, "push", "--quiet", "--all-tags")  # passes by the version, and would make the next push do so
    git(project, "commit", "-qam", "where versions are kept")
    assert push_versions(project) > 0
    assert push_versions(project) == 0
    other = tmp_path / "other"
    git(project, "clone", "-q", str(project), str(other))
    (version,) = versions(other, "demo")
    taken = registry.fetch(other, "demo", version)
    there = registry.fetch(project, "demo", version)
    assert {file.name: file.read_bytes() for file in taken.iterdir()} == {
        file.name: file.read_bytes() for file in there.iterdir()
    }


def test_a_remote_that_cannot_be_written_to_is_named(project, tmp_path):
    (tmp_path / "file").write_text("no folder")
    dvc(project, "remote", "add", "--force", "-d", "shut", str(tmp_path / "file" / "store"))
    with pytest.raises(RemoteError, match="The remote shut did not take the versions"):
        push_versions(project)


def test_a_version_whose_files_are_nowhere_is_told_and_the_others_arrive(project, tmp_path):
    dvc(project, "remote", "add", "--force", "-d", "half", str(tmp_path / "half"))
    cache = project / ".dvc" / "cache" / "files"
    lost = next(file for file in sorted(cache.rglob("*")) if file.is_file() and file.suffix != ".dir")
    lost.rename(tmp_path / "lost")
    try:
        with pytest.raises(RemoteError, match="^Of what versions name, 1 file was found neither here nor"):
            push_versions(project)
    finally:
        (tmp_path / "lost").rename(lost)
    assert any(file.is_file() for file in (tmp_path / "half").rglob("*"))
    assert push_versions(project) > 0
