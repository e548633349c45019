import hashlib
import json
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.card import sha256
from pipelines.errors import DataError, GateError, ReleaseError
from pipelines.monitoring.reference import NUMBERS, read_reference
from pipelines.package import READS, failure, run
from pipelines.recipe_file import load_sections

ROOT = Path(__file__).resolve().parents[2]
GATE = {"metric": "sensitivity", "split": "test", "bound": "low", "minimum": 0.85, "value": 0.91, "passed": True}
FIGURES = {"n": 2, "n_positive": 1, "auc": 0.97, "auc_low": 0.95, "auc_high": 0.99, "f1": None, "threshold": 0.5}
RULES = {"sha256": "ef" * 32, "threshold": {"rule": "youden"}, "margin": 0.03}
PROFILE = {"images": 40, "statistics": {"bits": {"missing": 0.0, "values": [8.0], "below": [0.0], "upto": [1.0]}}}
ROWS = {
    "split": "test",
    "image_id": ["a", "b"],
    "label": ["NORMAL", "PNEUMONIA"],
    "probability": [0.2, 0.8],
    "familiarity": [0.5, 0.6],
    "decision": ["negative", "positive"],
    "patient_id": ["p1", "p2"],
    "site": "home",
    "view": None,
    "sex": ["F", "M"],
    "age": [40.0, 50.0],
}
SECTIONS = load_sections(
    ROOT / "recipes" / "demo.yaml", ("recipe", "source", "external", "split", "augment", "train", "serve", "card")
)


def package(model, evaluation, profile, release, **sections):
    """The stage; manifest and prepared films lie beside the model."""
    run(model, evaluation, profile, model.parent / "manifest.parquet", model.parent / "prepared", release, **sections)


def write_prepared(folder):
    folder.mkdir(exist_ok=True)
    greys = np.array([60, 80, 180, 200], dtype=np.uint8)
    np.save(folder / "val.npy", np.tile(greys[:, None, None, None], (1, 32, 32, 1)))
    pd.DataFrame({"label": ["NORMAL", "NORMAL", "PNEUMONIA", "PNEUMONIA"]}).to_parquet(folder / "val.parquet")


@pytest.fixture
def folders(tmp_path, release_model):
    """Folders of a trained and evaluated model, and what the evaluation says: `folders(gates=[...])`."""

    def write(gates=(GATE,), metrics=None, **model):
        release_model(tmp_path / "model", **model)
        write_prepared(tmp_path / "prepared")
        evaluation = tmp_path / "evaluation"
        evaluation.mkdir(exist_ok=True)
        gates = [{"reason": "-", **gate} for gate in gates]
        passed = bool(gates) and all(gate["passed"] for gate in gates)
        judged = {"passed": passed, "reason": "So it is.", "gates": gates, "rules": RULES}
        (evaluation / "gates.json").write_text(json.dumps(judged))
        (evaluation / "metrics.json").write_text(json.dumps(metrics or {"test": FIGURES}))
        pd.DataFrame(ROWS).to_parquet(evaluation / "probabilities.parquet")
        pd.DataFrame(ROWS)[["split"]].to_parquet(evaluation / "images.parquet")
        known = {"image_id": ["a", "b"], "mode": "L"} | {name: [1.0, 2.0] for name in NUMBERS}
        pd.DataFrame(known).to_parquet(tmp_path / "manifest.parquet")
        profile = tmp_path / "profile.json"
        profile.write_text(json.dumps(PROFILE))
        return tmp_path / "model", evaluation, profile, tmp_path / "release"

    return write


def test_a_release_holds_the_bento_its_note_and_its_card(folders):
    model, evaluation, profile, release = folders(metrics={"test": {**FIGURES, "images_sha256": "ab" * 32}})
    comparison = {"champion": None, "splits": {}}
    (evaluation / "comparison.json").write_text(json.dumps(comparison))
    package(model, evaluation, profile, release, **SECTIONS)
    note = json.loads((release / "release.json").read_text())
    bento = release / note["bento"]
    assert {path.name for path in release.iterdir()} == {
        "release.json",
        "profile.json",
        "images.parquet",
        "monitoring.parquet",
        "MODEL_CARD.md",
        bento.name,
    }
    assert (release / "profile.json").read_bytes() == profile.read_bytes()
    assert (release / "images.parquet").read_bytes() == (evaluation / "images.parquet").read_bytes()
    assert bento.name == f"filmgate-demo-{note['version']}.bento"
    assert note["bento_sha256"] == hashlib.sha256(bento.read_bytes()).hexdigest()
    assert note["model_sha256"] == hashlib.sha256((model / "model.onnx").read_bytes()).hexdigest()
    assert note["gates"][0]["value"] == 0.91
    assert note["metrics"]["test"]["auc"] == 0.97
    assert note["comparison"] == comparison
    assert "To show and test the chain" in (release / "MODEL_CARD.md").read_text()


def test_a_release_says_what_it_came_from_and_who_let_it_pass(folders, monkeypatch):
    monkeypatch.setattr("pipelines.package.build_bento", write_bento)
    prepared = {"train": {"images": 1, "patients": 1, "labels": {}, "sha256": "cd" * 32}}
    model, evaluation, profile, release = folders(
        metrics={"test": {**FIGURES, "images_sha256": "ab" * 32}}, facts={"data": prepared}
    )
    package(model, evaluation, profile, release, **SECTIONS)
    note = json.loads((release / "release.json").read_text())
    files = {
        "model": model / "model.onnx",
        "card": model / "card.json",
        "metrics": evaluation / "metrics.json",
        "gates": evaluation / "gates.json",
        "probabilities": evaluation / "probabilities.parquet",
        "images": evaluation / "images.parquet",
        "recipe": ROOT / "recipes" / "demo.yaml",
        "lock": ROOT / "requirements.lock",
    }
    assert {name: note["hashes"][name] for name in files} == {name: sha256(file) for name, file in files.items()}
    assert set(note["hashes"]) == {*files, "code", "prepared", "measured", "rules"}
    assert note["hashes"]["prepared"] == {"train": "cd" * 32}
    assert note["hashes"]["measured"] == {"test": "ab" * 32}
    assert note["hashes"]["rules"] == "ef" * 32
    assert note["rules"] == {"threshold": {"rule": "youden"}, "margin": 0.03}
    assert note["comparison"] is None
    assert {"python", "numpy", "onnxruntime"} <= set(note["versions"])
    assert set(note["decided"]) == {"by", "rule", "at"}
    assert note["decided"]["rule"] == "all gates passed"


def test_the_service_is_told_when_on_whom_and_with_what_doubts_the_model_was_released(folders, monkeypatch):
    heard = {}
    monkeypatch.setattr(
        "pipelines.package.build_bento",
        lambda model, card, films, about, folder: heard.update(about, films=films) or write_bento(*[None] * 4, folder),
    )
    guessing = {**FIGURES, "auc": 0.5, "auc_low": 0.4, "auc_high": 0.6}
    model, *others = folders(metrics={"test": FIGURES, "external": guessing})
    monkeypatch.setattr("pipelines.package.sha256", lambda file: "00")
    package(model, *others, **SECTIONS)
    assert heard["date"].startswith("20")
    assert heard["tested"]["test"] == {
        **{"n": 2, "n_positive": 1, "auc": 0.97, "auc_low": 0.95, "auc_high": 0.99, "threshold": 0.5},
        "patients": 2,
    }
    assert heard["flags"] == [
        "On external the model is not proven to be better than chance: AUC 0.500 (0.400 to 0.600). No gate asks "
        "anything of these images."
    ]
    assert heard["about"]["intended_use"].startswith("To show and test the chain")
    assert [film["label"] for film in heard["films"]] == ["NORMAL", "NORMAL", "PNEUMONIA", "PNEUMONIA"]


def test_a_release_keeps_what_its_model_is_watched_by(folders, tmp_path):
    model, evaluation, profile, release = folders()
    package(model, evaluation, profile, release, **SECTIONS)
    kept = read_reference(release)
    assert kept.sha256 == sha256(model / "model.onnx")
    assert kept.films["decision"].tolist() == ["negative", "positive"]
    with tarfile.open(release / f"filmgate-demo-{kept.version}.bento") as bento:
        names = [name for name in bento.getnames() if Path(name).name.startswith("film-")]
        travel = {hashlib.sha256(bento.extractfile(name).read()).hexdigest() for name in names}
    assert len(travel) == 4
    assert travel <= kept.reference_films


def test_without_a_manifest_nothing_is_released(folders):
    model, evaluation, profile, release = folders()
    (model.parent / "manifest.parquet").unlink()
    with pytest.raises(DataError, match="There is no manifest"):
        package(model, evaluation, profile, release, **SECTIONS)
    assert not release.exists()


def test_a_failed_gate_is_named_and_the_last_release_stays(folders):
    failed = {**GATE, "value": 0.7214, "passed": False}
    worse = {"metric": "auc", "split": "external", "bound": "point", "minimum": 0.9, "value": None, "passed": False}
    model, evaluation, profile, release = folders(gates=[GATE, failed, worse])
    release.mkdir()
    (release / "release.json").write_text("the last one")
    with pytest.raises(GateError) as error:
        package(model, evaluation, profile, release, **SECTIONS)
    said = str(error.value)
    assert "the lower bound of sensitivity on test is 0.7214, the minimum is 0.85" in said
    assert "auc on external is unknown, the minimum is 0.9" in said
    assert said.count("minimum is") == 2
    assert [path.name for path in release.parent.glob("release*/*")] == ["release.json"]


def test_a_model_without_gates_is_not_released(folders):
    with pytest.raises(GateError, match="So it is"):
        package(*folders(gates=[]), **SECTIONS)


def test_a_maximum_that_was_missed_is_named():
    gate = {"metric": "ece", "split": "test", "bound": "high", "minimum": None, "maximum": 0.05, "value": 0.0812}
    assert failure(gate) == "the upper bound of ece on test is 0.0812, the maximum is 0.05"


def test_a_changed_model_is_not_released(folders):
    model, evaluation, profile, release = folders(sha256="0" * 64)
    with pytest.raises(ReleaseError, match="The file was changed"):
        package(model, evaluation, profile, release, **SECTIONS)
    assert not release.exists()


@pytest.mark.parametrize("name", ["metrics.json", "gates.json", "probabilities.parquet", "images.parquet"])
def test_a_file_of_the_evaluation_that_is_missing_is_named(folders, name):
    model, evaluation, profile, release = folders()
    (evaluation / name).unlink()
    with pytest.raises(ReleaseError, match=f"no .*{name}"):
        package(model, evaluation, profile, release, **SECTIONS)


def test_a_recipe_that_is_not_at_its_place_is_named(folders):
    with pytest.raises(ReleaseError, match=r"no .*elsewhere\.yaml"):
        package(*folders(), **{**SECTIONS, "recipe": "elsewhere"})


@pytest.mark.parametrize(("text", "said"), [(None, r"no .*profile\.json"), ("{", r"profile\.json is not JSON")])
def test_a_release_without_the_profile_of_its_data_is_refused(folders, text, said):
    model, evaluation, profile, release = folders()
    profile.unlink() if text is None else profile.write_text(text)
    with pytest.raises(ReleaseError, match=said):
        package(model, evaluation, profile, release, **SECTIONS)
    assert not release.exists()


def test_the_stage_knows_the_files_that_it_reads():
    assert all(path.endswith((".py", ".j2")) for path in READS)
    assert "serving/service.py" in READS


def write_bento(model, card, films, about, folder):
    """A file in place of a bento, which takes seconds to build."""
    bento = folder / (f"filmgate-{card.recipe}-{card.version}.bento" if card else "filmgate.bento")
    bento.write_bytes(b"bento")
    return bento
