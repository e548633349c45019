import hashlib
import json

import pytest

from pipelines.errors import GateError, ReleaseError
from pipelines.package import READS, run

GATE = {"metric": "sensitivity", "split": "test", "bound": "low", "minimum": 0.85, "value": 0.91, "passed": True}
FIGURES = {"n": 200, "n_positive": 90, "auc": 0.97, "auc_low": 0.95, "auc_high": 0.99, "f1": None, "threshold": 0.5}
PROFILE = {"images": 40, "statistics": {"bits": {"missing": 0.0, "values": [8.0], "below": [0.0], "upto": [1.0]}}}


@pytest.fixture
def folders(tmp_path, release_model):
    """Folders of a trained and evaluated model, and what the evaluation says: `folders(gates=[...])`."""

    def write(gates=(GATE,), metrics=None, **model):
        release_model(tmp_path / "model", **model)
        evaluation = tmp_path / "evaluation"
        evaluation.mkdir(exist_ok=True)
        gates = [{"reason": "-", **gate} for gate in gates]
        passed = bool(gates) and all(gate["passed"] for gate in gates)
        (evaluation / "gates.json").write_text(json.dumps({"passed": passed, "reason": "So it is.", "gates": gates}))
        (evaluation / "metrics.json").write_text(json.dumps(metrics or {"test": FIGURES}))
        profile = tmp_path / "profile.json"
        profile.write_text(json.dumps(PROFILE))
        return tmp_path / "model", evaluation, profile, tmp_path / "release"

    return write


def test_a_release_holds_the_bento_its_note_and_its_card(folders):
    model, evaluation, profile, release = folders()
    run(model, evaluation, profile, release)
    note = json.loads((release / "release.json").read_text())
    bento = release / note["bento"]
    assert {path.name for path in release.iterdir()} == {
        "release.json",
        "profile.json",
        "MODEL_CARD.md",
        bento.name,
    }
    assert (release / "profile.json").read_bytes() == profile.read_bytes()
    assert bento.name == f"filmgate-demo-{note['version']}.bento"
    assert note["bento_sha256"] == hashlib.sha256(bento.read_bytes()).hexdigest()
    assert note["model_sha256"] == hashlib.sha256((model / "model.onnx").read_bytes()).hexdigest()
    assert note["gates"][0]["value"] == 0.91
    assert note["metrics"] == {"test": FIGURES}


def test_a_failed_gate_is_named_and_the_last_release_stays(folders):
    failed = {**GATE, "value": 0.7214, "passed": False}
    worse = {"metric": "auc", "split": "external", "bound": "point", "minimum": 0.9, "value": None, "passed": False}
    model, evaluation, profile, release = folders(gates=[GATE, failed, worse])
    release.mkdir()
    (release / "release.json").write_text("the last one")
    with pytest.raises(GateError) as error:
        run(model, evaluation, profile, release)
    said = str(error.value)
    assert "the lower bound of sensitivity on test is 0.7214, the minimum is 0.85" in said
    assert "auc on external is unknown, the minimum is 0.9" in said
    assert said.count("minimum is") == 2
    assert [path.name for path in release.parent.glob("release*/*")] == ["release.json"]


def test_a_model_without_gates_is_not_released(folders):
    with pytest.raises(GateError, match="So it is"):
        run(*folders(gates=[]))


def test_a_changed_model_is_not_released(folders):
    model, evaluation, profile, release = folders(sha256="0" * 64)
    with pytest.raises(ReleaseError, match="The file was changed"):
        run(model, evaluation, profile, release)
    assert not release.exists()


def test_an_evaluation_that_is_missing_is_named(folders):
    model, evaluation, profile, release = folders()
    (evaluation / "metrics.json").unlink()
    with pytest.raises(ReleaseError, match=r"no .*metrics\.json"):
        run(model, evaluation, profile, release)


@pytest.mark.parametrize(("text", "said"), [(None, r"no .*profile\.json"), ("{", r"profile\.json is not JSON")])
def test_a_release_without_the_profile_of_its_data_is_refused(folders, text, said):
    model, evaluation, profile, release = folders()
    profile.unlink() if text is None else profile.write_text(text)
    with pytest.raises(ReleaseError, match=said):
        run(model, evaluation, profile, release)
    assert not release.exists()


def test_the_stage_knows_the_files_that_it_reads():
    assert all(path.endswith((".py", ".j2")) for path in READS)
    assert "serving/service.py" in READS
