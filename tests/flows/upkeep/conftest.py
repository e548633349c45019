"""A small project, and the command that keeps it up."""

import time

import pytest

from flows.upkeep import objects
from flows.upkeep.command import main
from tests.flows.upkeep.project import Project

DAY = 86400


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "project")


@pytest.fixture
def upkeep(project, capsys, monkeypatch):
    """Run the command some days from now: its exit status and what it says."""

    monkeypatch.setattr(objects, "PATIENCE", 0.6)

    def run(*arguments, days=0):
        with pytest.raises(SystemExit) as ended:
            main(arguments, project.root, time.time() + days * DAY)
        return ended.value.code, capsys.readouterr().out

    return run
