import subprocess
import sys

import pytest

from flows.upkeep.bentos import wanted
from tests.flows.projects import git

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # of dulwich, which DVC reads git with
MODELS = [f"{number:x}" * 12 for number in range(10)]


def version(project, number, model):
    """Register a model as version v1.<number>.0."""
    told = f"Model: {model}\nModel-SHA256: {model * 6:.64}\nBento: demo-{model}.bento\nBento-SHA256: {'0' * 64}"
    git(project.root, "tag", "-a", f"demo@v1.{number}.0", "-m", f"a release\n\n{told}\n")


def stage(project, number, version, name="production"):
    """Give version v1.<version>.0 a stage."""
    git(project.root, "tag", "-a", f"demo#{name}#{number}", "-m", f"a decision\n\nVersion: v1.{version}.0\n")


def releases(project, *models):
    """Releases as they are taken from the cache, and unpacked bentos."""
    for model in models:
        (project.root / f".filmgate/registry/demo/{model}").mkdir(parents=True)
        (project.root / f".filmgate/registry/demo/{model}/release.json").write_text("{}")
        (project.root / f".filmgate/bentoml/unpacked/filmgate-demo-{model}-0123abcd").mkdir(parents=True)


def left(project):
    return sorted(path.name for path in (project.root / ".filmgate/registry/demo").iterdir())


def test_releases_long_out_of_production_go_and_the_others_stay(project, upkeep):
    project.train(1)
    for number, model in enumerate(MODELS[:9]):
        version(project, number, model)
    for number in range(6):
        stage(project, number + 1, number)
    stage(project, 7, 0, name="staging")
    releases(project, *MODELS)
    said = upkeep("--yes", "--promotions", "2", days=2)[1]
    assert left(project) == sorted([MODELS[5], MODELS[4], MODELS[3], MODELS[8]])  # production, two before, the newest
    unpacked = {path.name[14:26] for path in (project.root / ".filmgate/bentoml/unpacked").iterdir()}
    assert unpacked == set(left(project))
    assert said.count("removed   .filmgate/registry") == 6


def test_a_release_that_is_new_or_lies_in_the_working_copy_stays(project, upkeep):
    project.train(1)
    releases(project, *MODELS[:2])
    (project.root / "data/demo/release").mkdir()
    (project.root / "data/demo/release/release.json").write_text(f'{{"version": "{MODELS[0]}"}}')
    assert upkeep("--yes", days=0.5)[1] == "Nothing to remove.\n"
    upkeep("--yes", days=1.5)
    assert left(project) == [MODELS[0]]


def test_a_bento_from_which_a_process_serves_stays(project, upkeep):
    project.train(1)
    releases(project, *MODELS[:2])
    folder = project.root / f".filmgate/bentoml/unpacked/filmgate-demo-{MODELS[0]}-0123abcd"
    with subprocess.Popen([sys.executable, "-c", "input()", str(folder)], stdin=subprocess.PIPE) as server:
        upkeep("--yes", days=2)
        assert folder.exists()
        server.communicate(b"\n")
    assert not folder.with_name(f"filmgate-demo-{MODELS[1]}-0123abcd").exists()


def test_a_model_that_came_back_counts_as_often_as_it_was_promoted(project):
    project.train(1)
    for number in range(3):
        version(project, number, MODELS[number])
    for number, promoted in enumerate([0, 1, 0], start=1):
        stage(project, number, promoted)
    assert wanted(project.root, "demo", 1) == {MODELS[0], MODELS[1], MODELS[2]}
    assert wanted(project.root, "demo", 0) == {MODELS[0], MODELS[2]}


def test_the_tenth_promotion_is_newer_than_the_ninth(project):
    project.train(1)
    for number in range(11):
        version(project, number, f"{number:012x}")
    for number in range(10):
        stage(project, number + 1, number)
    assert wanted(project.root, "demo", 0) == {f"{9:012x}", f"{10:012x}"}
