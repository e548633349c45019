"""Projects with a catalogue: without data sets, with plain files, with an archive."""

import shutil

import pytest
from dvc.repo import Repo

from tests.flows.data.project import LETTERS, Project, archive, entry
from tests.flows.projects import ROOT


@pytest.fixture
def project(tmp_path, publisher):
    root = tmp_path / "project"
    (root / "data").mkdir(parents=True)
    project = Project(root, publisher)
    project.git("init", "-q")
    Repo.init(str(root)).close()
    shutil.copy(ROOT / ".gitignore", root)
    project.git("add", "-A")
    project.git("commit", "-qm", "a project")
    return project


@pytest.fixture
def letters(project):
    """A data set of two plain files."""
    project.write({"letters": entry([project.file(name, content) for name, content in LETTERS.items()])})
    return project


@pytest.fixture
def films(project):
    """A data set of one archive, and a folder that people bring."""
    content = archive("a.png", "b.png")
    file = project.file("films.zip", content, unpack="zip", into="home", holds="films")
    project.write({"films": entry([file], [{"into": "away", "what": "Put films of another hospital there."}])})
    return project
