"""Promotion by the command, with real bentos: what does not answer as released comes no further."""

import json
import shutil
import subprocess

import gto.api
import pytest

from flows.deploy import main
from pipelines.card import sha256
from pipelines.registry import history, production
from serving.serve import released_bento, unpacked


@pytest.fixture
def project(tmp_path, release, monkeypatch):
    """A checkout whose registry has one version, taken from DVC before; nothing is in production."""
    monkeypatch.setenv("FILMGATE_PROJECT", str(tmp_path))
    note = json.loads((release / "release.json").read_text())
    shutil.copytree(
        release, tmp_path / ".filmgate" / "registry" / "demo" / f"{note['version']}-{note['bento_sha256'][:8]}"
    )
    git = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-C", str(tmp_path)]
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "a release"], check=True)
    told = {
        "Model": note["version"],
        "Model-SHA256": note["model_sha256"],
        "Bento": note["bento"],
        "Bento-SHA256": note["bento_sha256"],
        "Code-SHA256": note["hashes"]["code"],
    }
    message = "demo\n\ntest, n 40: auc 0.900\n\n" + "\n".join(f"{key}: {value}" for key, value in told.items())
    gto.api.register(
        str(tmp_path), "demo", "HEAD", version="v1.0.0", message=message, author="Ada", author_email="ada@example.org"
    )
    return tmp_path


def test_a_version_that_answers_as_released_comes_into_production(project, capsys):
    main(["promote", "--recipe", "demo", "--comment", "the first"])
    said = capsys.readouterr().out
    assert "reference films:" in said
    assert said.rstrip().endswith("demo v1.0.0 is in production. Where `make serve` runs, it answers within seconds.")
    assert production(project, "demo").name == "v1.0.0"
    assert history(project, "demo")[0].trailers["Comment"] == "the first"
    with pytest.raises(SystemExit):
        main(["promote", "--recipe", "demo"])
    assert "demo v1.0.0 is in production already" in capsys.readouterr().err
    main(["status", "--recipe", "demo"])
    assert "test, n 40: auc 0.900" in capsys.readouterr().out


def test_a_bento_whose_reference_answers_are_wrong_is_not_promoted(project, release, capsys):
    folder = unpacked(released_bento(release, "demo"), project / ".filmgate" / "bentoml" / "unpacked")
    films, note = next(folder.glob("models/*/*/reference.json")), folder / "src/serving/released.json"
    entries, named = json.loads(films.read_text()), json.loads(note.read_text())
    entries[0]["answer"]["probabilities"]["NORMAL"] -= 0.01
    films.write_text(json.dumps(entries))
    note.write_text(json.dumps(named | {"files": named["files"] | {films.name: sha256(films)}}))
    with pytest.raises(SystemExit) as ended:
        main(["promote", "--recipe", "demo"])
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert f"The reference film {entries[0]['name']} is answered differently" in said
    assert "Production stays as it was." in said
    assert production(project, "demo") is None
    assert [event.kind for event in history(project, "demo")] == ["registered"]


def test_without_a_version_before_nothing_is_rolled_back(project, capsys):
    with pytest.raises(SystemExit):
        main(["rollback", "--recipe", "demo"])
    assert "No version of demo was in production before" in capsys.readouterr().err
