import json
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import brier_score_loss, confusion_matrix, roc_auc_score

from pipelines.errors import DataError, ModelError, ReleaseError
from pipelines.evaluate import run
from pipelines.recipe import GateParams, ImageParams, LabelParams
from pipelines.shortcuts import audit

GATES = (
    GateParams(metric="sensitivity", split="test", bound="low", minimum=0.1),
    GateParams(metric="specificity", split="external", bound="point", minimum=1.0),
)


@pytest.fixture
def evaluate(tiny, labels):
    """Evaluate the tiny model beside the audit of some films that the mean brightness gives away."""
    images = pd.DataFrame({"image_id": [f"{number}.png" for number in range(60)], "site": "riverside", "age": 40.0})
    images = images.assign(patient_id=images["image_id"], label=["NORMAL", "PNEUMONIA"] * 30, width=16, height=16)
    image = ImageParams(levels="stored", height=16, width=16, channels=1, fit="pad")
    found = audit(images.assign(mean=[90.0, 110.0] * 30), labels, image)
    (tiny / "shortcuts.json").write_text(json.dumps({"limit": 0.7, "severity": "warn", **found}))

    def measure(labels=labels, gates=GATES):
        run(tiny / "prepared", tiny / "model", tiny / "shortcuts.json", tiny / "evaluation", labels, gates)
        return tiny / "evaluation"

    return measure


@pytest.fixture
def evaluated(evaluate):
    return evaluate()


def test_every_figure_can_be_computed_again_from_the_probabilities(evaluated):
    metrics = json.loads((evaluated / "metrics.json").read_text())
    saved = pd.read_parquet(evaluated / "probabilities.parquet")
    assert dict(saved["split"].value_counts()) == {"test": 40, "external": 24}
    for split, rows in saved.groupby("split"):
        found, called = metrics[split], rows["probability"] >= metrics[split]["threshold"]
        assert found["auc"] == pytest.approx(roc_auc_score(rows["target"], rows["probability"]))
        assert found["brier"] == pytest.approx(brier_score_loss(rows["target"], rows["probability"]))
        assert found["confusion"] == confusion_matrix(rows["target"], called).tolist()
        assert found["sensitivity"] == pytest.approx(called[rows["target"] == 1].mean())
        assert found["specificity"] == pytest.approx(1 - called[rows["target"] == 0].mean())


def test_decisions_follow_from_probability_band_and_familiarity(evaluated):
    saved = pd.read_parquet(evaluated / "probabilities.parquet")
    known = saved[saved["decision"] != "refused"]
    assert set(saved.loc[saved["familiarity"] <= 0.005, "decision"]) <= {"refused"}
    assert (known.loc[known["decision"] == "positive", "probability"] >= 0.6).all()
    assert (known.loc[known["decision"] == "negative", "probability"] <= 0.4).all()
    assert known.loc[known["decision"] == "refer", "probability"].between(0.4, 0.6).all()


def test_gates_stand_in_their_file_as_the_contract_writes_them(evaluated):
    gates = json.loads((evaluated / "gates.json").read_text())
    assert [gate["metric"] for gate in gates["gates"]] == ["sensitivity", "specificity"]
    assert set(gates["gates"][0]) == {"metric", "split", "bound", "minimum", "value", "passed", "reason"}
    assert gates["passed"] == all(gate["passed"] for gate in gates["gates"])


@pytest.mark.parametrize("name", ["roc", "precision_recall", "confusion", "calibration", "gallery", "shortcuts"])
def test_plots_are_pictures_with_something_on_them(evaluated, name):
    with Image.open(evaluated / f"{name}.png") as picture:
        assert min(picture.size) > 300
        assert np.asarray(picture.convert("L")).std() > 5


def test_the_report_opens_without_a_network_and_says_what_was_found(evaluated):
    page = (evaluated / "report.html").read_text()
    assert not re.search(r"""(src|href)\s*=\s*["']?https?:""", page)
    assert page.count("data:image/png") == 5
    metrics = json.loads((evaluated / "metrics.json").read_text())
    assert f"{metrics['test']['auc']:.3f}" in page
    for gate in json.loads((evaluated / "gates.json").read_text())["gates"]:
        assert gate["reason"] in page
    assert "python -m pipelines.evaluate --recipe recipes/tiny.yaml" in page
    assert "--shortcuts" in page
    assert "Above the limit of 0.7: mean brightness" in page


def test_without_a_second_hospital_the_test_set_stands_alone(tiny, evaluate):
    (tiny / "prepared" / "external.npy").unlink()
    evaluate(gates=GATES[:1])
    assert list(json.loads((tiny / "evaluation" / "metrics.json").read_text())) == ["test"]


def test_a_failed_evaluation_leaves_the_last_one_alone(tiny, evaluate, evaluated):
    before = (evaluated / "metrics.json").read_bytes()
    (tiny / "prepared" / "test.npy").unlink()
    with pytest.raises(DataError, match="no prepared split 'test'"):
        evaluate()
    assert (evaluated / "metrics.json").read_bytes() == before
    assert not list(tiny.glob("*.partial"))


def test_a_model_of_other_labels_is_refused(evaluate):
    others = LabelParams(names=("NORMAL", "TB"), positive="TB")
    with pytest.raises(ModelError, match="Train again with this recipe"):
        evaluate(others)


def test_images_of_another_size_are_refused(tiny, evaluate):
    np.save(tiny / "prepared" / "test.npy", np.zeros((40, 8, 8, 1), dtype=np.uint8))
    with pytest.raises(DataError, match="8 x 8 x 1, the model takes 16 x 16 x 1"):
        evaluate()


def test_a_changed_model_file_is_refused(tiny, evaluate):
    with (tiny / "model" / "model.onnx").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ReleaseError, match="The file was changed"):
        evaluate()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "There is no .*shortcuts.json. Run the validate stage first"),
        ("{", "is not JSON"),
        ('{"file size": 0.7}', "does not say limit, note, properties, severity, together"),
    ],
    ids=["missing", "damaged", "of an older version"],
)
def test_without_a_shortcut_audit_nothing_is_reported(tiny, evaluate, text, said):
    (tiny / "shortcuts.json").unlink()
    if text:
        (tiny / "shortcuts.json").write_text(text)
    with pytest.raises(DataError, match=said):
        evaluate()
    assert not (tiny / "evaluation").exists()
