import subprocess
import sys

import gto.api
import pytest

from flows import registry
from flows.chronicle import events_text, status_text, version_text
from flows.promotion import BACK, before, promote, reject, roll_back
from flows.stages import Chain
from flows.workspace import Order, prepare
from pipelines.errors import ReleaseError
from pipelines.registry import history, production, versions
from tests.flows.projects import ROOT, git, project_with_data, release_of

MARY = {"By": "Mary", "Comment": "looked\nat it"}


@pytest.fixture
def project(tmp_path):
    return project_with_data(tmp_path / "project")


def released(project, *overrides):
    """A run in a workspace, registered."""
    order = Order("demo", overrides)
    folder = prepare(project, order)
    chain = Chain(folder, "demo")
    for stage in chain.stages:
        chain.reproduce(stage)
    return folder, registry.register(project, folder, "demo", {"Overrides": " ".join(overrides)})


def test_a_release_becomes_a_version_that_git_tells_all_of(project):
    folder, (version, new) = released(project, "train.epochs=3")
    note = release_of(folder)
    assert new
    assert (version.name, version.model_sha256, version.bento) == ("v1.0.0", note["model_sha256"], note["bento"])
    told = git(project, "cat-file", "-p", "demo@v1.0.0")
    for line in (
        "test, n 40: auc 0.900 (0.800 to 0.950)",
        "Gates: all 2 passed",
        "Overrides: train.epochs=3",
        f"Revision: {git(project, 'rev-parse', 'HEAD')}",
    ):
        assert line in told
    assert "Data: data/raw/films " in told
    assert ".dir" in told
    assert git(project, "rev-parse", "demo@v1.0.0^{commit}~") == git(project, "rev-parse", "HEAD")
    changed = git(project, "show", "--name-only", "--format=", "demo@v1.0.0^{commit}").splitlines()
    assert set(changed) >= {"dvc.lock", "recipes/demo.yaml", "data/production/demo.dvc", "data/production/demo.json"}
    assert git(project, "status", "--porcelain") == ""


def test_the_same_model_in_mended_code_is_a_version_of_its_own(project):
    _, (first, _) = released(project)
    with (project / "release.py").open("a") as file:
        file.write("bento.write_bytes(b'mended bento of ' + content)\n")
        file.write("note = json.loads((release / 'release.json').read_text())\n")
        file.write("note['bento_sha256'] = hashlib.sha256(bento.read_bytes()).hexdigest()\n")
        file.write("(release / 'release.json').write_text(json.dumps(note))\n")
    git(project, "commit", "-qam", "mended")
    _, (second, new) = released(project)
    assert (new, second.name, second.model) == (True, "v1.1.0", first.model)
    assert registry.named(project, "demo", first.model) == second
    found = [registry.fetch(project, "demo", one) / one.bento for one in (first, second)]
    assert [file.read_bytes()[:6] for file in found] == [b"bento ", b"mended"]


def test_the_same_model_keeps_its_version_and_another_one_gets_the_next(project):
    _, (first, _) = released(project)
    assert released(project)[1] == (first, False)
    assert released(project, "train.epochs=3")[1][0].name == "v1.1.0"
    assert [version.name for version in versions(project, "demo")] == ["v1.1.0", "v1.0.0"]
    assert registry.newest(project, "demo").name == "v1.1.0"


def test_the_release_of_a_version_comes_from_the_cache_as_it_was(project):
    folder, (version, _) = released(project)
    taken = registry.fetch(project, "demo", version)
    there = sorted((folder / "data/demo/release").iterdir())
    assert [file.name for file in sorted(taken.iterdir())] == [file.name for file in there]
    assert all((taken / file.name).read_bytes() == file.read_bytes() for file in there)


def test_a_bento_that_was_changed_is_thrown_away(project):
    _, (version, _) = released(project)
    taken = registry.fetch(project, "demo", version)
    bento = taken / version.bento
    bento.chmod(0o644)
    content = bento.read_bytes()
    bento.unlink()
    bento.write_bytes(content + b"!")
    with pytest.raises(ReleaseError, match="its tag says"):
        registry.fetch(project, "demo", version)
    assert not taken.exists()
    assert (registry.fetch(project, "demo", version) / version.bento).read_bytes() == content


def test_a_version_that_neither_cache_nor_remote_has_is_one_sentence(project):
    _, (version, _) = released(project)
    for path in sorted((project / ".dvc/cache").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    with pytest.raises(ReleaseError, match="Neither DVC's cache nor its remote has data/demo/release"):
        registry.fetch(project, "demo", version)
    assert not (project / ".filmgate/registry/demo" / version.folder).exists()


def test_promotions_and_the_ways_back_are_told_by_git_and_by_gto(project):
    first, second = (released(project, *overrides)[1][0] for overrides in ((), ("train.epochs=3",)))
    for version in (first, second):
        promote(project, "demo", version, MARY)
    assert production(project, "demo").name == "v1.1.0"
    assert before(project, "demo").name == "v1.0.0"
    roll_back(project, "demo", before(project, "demo"), {"By": "Ada", "Comment": ""})
    assert production(project, "demo").name == "v1.0.0"
    reject(project, "demo", second, MARY)
    assert production(project, "demo").name == "v1.0.0"
    assert [(event.kind, event.version) for event in history(project, "demo")][:4] == [
        ("rejected", "v1.1.0"),
        ("production", "v1.0.0"),
        ("production", "v1.1.0"),
        ("production", "v1.0.0"),
    ]
    assert history(project, "demo")[1].trailers["Action"] == BACK
    assert history(project, "demo")[0].trailers["Comment"] == "looked at it"
    (stage,) = gto.api.show(str(project), "demo#production")
    assert stage["version"] == "v1.0.0"


def test_the_way_back_leads_no_further_than_the_first(project):
    first, second = (released(project, *overrides)[1][0] for overrides in ((), ("train.epochs=3",)))
    promote(project, "demo", first, {})
    with pytest.raises(ReleaseError, match="No version of demo was in production before"):
        before(project, "demo")
    promote(project, "demo", second, {})
    roll_back(project, "demo", first, {})
    with pytest.raises(ReleaseError, match="No version of demo was in production before"):
        before(project, "demo")
    promote(project, "demo", second, {})
    assert before(project, "demo").name == "v1.0.0"


def test_what_is_in_production_is_not_promoted_again(project):
    _, (version, _) = released(project)
    promote(project, "demo", version, {})
    with pytest.raises(ReleaseError, match=r"demo v1\.0\.0 is in production already"):
        promote(project, "demo", version, {})
    assert len([event for event in history(project, "demo") if event.kind == "production"]) == 1


def test_a_version_is_named_by_its_number_or_its_models_hash(project):
    _, (version, _) = released(project)
    for name in ("v1.0.0", "1.0.0", version.model):
        assert registry.named(project, "demo", name) == version
    with pytest.raises(ReleaseError, match=rf"demo has no version 'v9'. Registered are: v1.0.0 \({version.model}\)"):
        registry.named(project, "demo", "v9")


def test_a_run_is_held_against_what_is_in_production_whatever_its_revision_says(project):
    folder, (version, _) = released(project)
    champion = folder / "data/production/demo"
    assert not (prepare(project, Order("demo")) / "data/production/demo").exists()
    promote(project, "demo", version, {})
    assert prepare(project, Order("demo")) == folder
    assert (champion / "model.onnx").read_bytes() == (folder / "data/demo/model/model.onnx").read_bytes()


def test_a_project_without_a_name_in_git_signs_as_itself(project, monkeypatch, tmp_path):
    for key in ("user.name", "user.email"):
        git(project, "config", "--unset", key)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "none"))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", str(tmp_path / "none"))
    _, (version, _) = released(project)
    promote(project, "demo", version, {})
    assert {event.by for event in history(project, "demo")} == {"filmgate"}


def test_words_for_people(project):
    with pytest.raises(ReleaseError, match="No version of demo is in production"):
        status_text(project, "demo")
    assert events_text([], "demo") == "Nothing has happened yet: demo has no version."
    _, (version, _) = released(project)
    assert "Nothing is in production now." in version_text(project, "demo", version)
    promote(project, "demo", version, MARY)
    status = status_text(project, "demo")
    for words in ("demo v1.0.0 is in production", "by         Mary", "comment    looked at it", "auc 0.900"):
        assert words in status
    assert "In production now is **v1.0.0**" in version_text(project, "demo", version)
    first = events_text(history(project, "demo"), "demo").splitlines()[0]
    assert first.split()[2:] == ["v1.0.0", "promoted", version.model, "Mary", "looked", "at", "it"]


def test_two_runs_that_end_at_once_become_two_versions(project):
    folders = []
    for overrides in (("train.epochs=3",), ("train.epochs=4",)):
        folders.append(prepare(project, Order("demo", overrides)))
        chain = Chain(folders[-1], "demo")
        for stage in chain.stages:
            assert chain.stale(stage)
            chain.reproduce(stage)
            assert not chain.stale(stage)
    code = (
        "import sys; from pathlib import Path; from flows.registry import register; "
        "register(Path(sys.argv[1]), Path(sys.argv[2]), 'demo', {})"
    )
    order = [sys.executable, "-c", code, str(project)]
    running = [subprocess.Popen([*order, str(folder)], cwd=ROOT) for folder in folders]
    assert [process.wait() for process in running] == [0, 0]
    assert [version.name for version in versions(project, "demo")] == ["v1.1.0", "v1.0.0"]
