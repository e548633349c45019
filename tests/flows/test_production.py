import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flows import production
from flows.production import keep_version, name_production
from pipelines.card import sha256
from pipelines.drift import drift, profile_of
from pipelines.errors import ChainError, ReleaseError
from pipelines.recipe_file import write_yaml

ROOT = Path(__file__).resolve().parents[2]


def films(shift=0.0):
    rng = np.random.default_rng(0)
    return pd.DataFrame({"mean": rng.normal(120 + shift, 9, 50), "view": rng.choice(["PA", "AP"], 50), "age": np.nan})


@pytest.fixture
def project(tmp_path):
    """A project whose recipe demo has a release."""
    write_yaml({"recipes": {"demo": "phantom", "mnist": "mnist"}}, tmp_path / "params.yaml")
    release = tmp_path / "data" / "demo" / "release"
    release.mkdir(parents=True)
    (tmp_path / "data/demo/model").mkdir()
    for name in ("model.onnx", "card.json"):
        (tmp_path / "data/demo/model" / name).write_text(name)
    for name in ("images.parquet", "monitoring.parquet"):
        (release / name).write_text(name)
    digest = sha256(tmp_path / "data/demo/model/model.onnx")
    (release / "release.json").write_text(json.dumps({"version": "8caa16acbead", "model_sha256": digest}))
    (release / "profile.json").write_text(json.dumps({"images": 50, "statistics": profile_of(films())}, indent=2))
    return tmp_path


def test_the_newest_release_is_named_with_the_profile_of_its_data(project):
    file, version = name_production(project, "demo")
    assert file == Path("data/production/demo.json")
    named = json.loads((project / file).read_text())
    assert set(named) == {"release", "images", "statistics"}
    assert (named["release"], named["images"], version) == ("8caa16acbead", 50, "8caa16acbead")
    assert drift(films(), named["statistics"]) == {"mean": 0, "view": 0}
    assert drift(films(shift=90), named["statistics"])["mean"] == 1


def test_a_later_release_takes_the_place_and_leaves_nothing_behind(project):
    name_production(project, "demo")
    (project / "data/demo/model/model.onnx").write_text("later")
    digest = sha256(project / "data/demo/model/model.onnx")
    (project / "data/demo/release/release.json").write_text(json.dumps({"version": "later", "model_sha256": digest}))
    name_production(project, "demo")
    assert json.loads((project / "data/production/demo.json").read_text())["release"] == "later"
    assert (project / "data/production/demo/model.onnx").read_text() == "later"
    assert sorted(path.name for path in (project / "data/production").iterdir()) == ["demo", "demo.json"]


def test_the_model_itself_is_kept_with_what_a_comparison_needs(project):
    name_production(project, "demo")
    kept = {path.name for path in (project / "data/production/demo").iterdir()}
    assert kept == {"model.onnx", "card.json", "release.json", "images.parquet", "monitoring.parquet"}


def test_a_model_trained_after_the_release_is_not_taken_for_it(project):
    (project / "data/demo/model/model.onnx").write_text("another")
    with pytest.raises(ReleaseError, match="another model was trained since"):
        name_production(project, "demo")
    assert not (project / "data/production").exists()


@pytest.mark.parametrize(
    "name", ["model/model.onnx", "model/card.json", "release/images.parquet", "release/monitoring.parquet"]
)
def test_a_release_that_is_not_whole_is_not_named(project, name):
    (project / "data/demo" / name).unlink()
    with pytest.raises(ReleaseError, match=f"lacks {Path(name).name}. Make a release"):
        name_production(project, "demo")


def test_each_statistic_has_its_line_so_that_git_shows_what_changed(project):
    file, _ = name_production(project, "demo")
    lines = (project / file).read_text().splitlines()
    assert [line.split('"')[1] for line in lines[1:-1]] == ["mean", "age", "view"]


def test_git_takes_the_file_and_nothing_else_of_the_data(project):
    with_dvc(project)
    shutil.copy(ROOT / ".gitignore", project)
    name_production(project, "demo")
    keep_version(project, "demo")
    listing = ["git", "status", "--porcelain", "-uall", "data"]
    done = subprocess.run(listing, cwd=project, check=True, capture_output=True, text=True)
    assert done.stdout.split()[1::2] == [f"data/production/{name}" for name in (".gitignore", "demo.dvc", "demo.json")]


@pytest.mark.parametrize("name", ["release.json", "profile.json"])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "There is no .*{}"),
        ("{{", "{} is not JSON"),
        ("[]", "{} does not hold"),
        ('{{"a": 1}}', "{} does not hold"),
    ],
)
def test_without_a_sound_release_production_stays_as_it_was(project, name, text, said):
    name_production(project, "demo")
    before = (project / "data/production/demo.json").read_bytes()
    path = project / "data/demo/release" / name
    path.unlink() if text is None else path.write_text(text.format())
    with pytest.raises(ReleaseError, match=said.format(name) + ".*flows.retrain --recipe demo"):
        name_production(project, "demo")
    assert (project / "data/production/demo.json").read_bytes() == before


def test_an_unknown_recipe_is_answered_with_the_known_ones(project):
    with pytest.raises(ChainError, match=r"params\.yaml has no recipe 'dema', only demo, mnist"):
        name_production(project, "dema")


def test_the_command_says_what_to_commit(project, monkeypatch, capsys):
    monkeypatch.setattr(production, "ROOT", project)
    with_dvc(project)
    production.main(["--recipe", "demo"])
    out = capsys.readouterr().out
    assert "version 8caa16acbead is the one in production" in out
    assert "git add data/production/demo.json data/production/demo.dvc data/production/.gitignore && git commit" in out


def test_without_dvc_the_version_is_not_kept_and_one_sentence_says_so(project):
    name_production(project, "demo")
    with pytest.raises(ChainError, match="DVC cannot keep data/production/demo"):
        keep_version(project, "demo")


def with_dvc(project):
    """Make it a checkout with DVC."""
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], cwd=project, check=True)


def test_the_command_ends_with_one_sentence_where_there_is_no_release(project, monkeypatch, capsys):
    monkeypatch.setattr(production, "ROOT", project)
    with pytest.raises(SystemExit) as caught:
        production.main(["--recipe", "mnist"])
    assert caught.value.code == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: There is no ")
    assert len(err.splitlines()) == 1
