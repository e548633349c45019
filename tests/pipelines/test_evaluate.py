import json
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import brier_score_loss, confusion_matrix, roc_auc_score

from pipelines.errors import DataError, ModelError, ReleaseError
from pipelines.evaluate import run
from pipelines.recipe import GateParams, LabelParams

GATES = (
    GateParams(metric="sensitivity", split="test", bound="low", minimum=0.1),
    GateParams(metric="specificity", split="external", bound="point", minimum=1.0),
)


@pytest.fixture
def evaluated(tiny, labels):
    run(tiny / "prepared", tiny / "model", tiny / "evaluation", labels, GATES)
    return tiny / "evaluation"


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


@pytest.mark.parametrize("name", ["roc", "precision_recall", "confusion", "calibration", "gallery"])
def test_plots_are_pictures_with_something_on_them(evaluated, name):
    with Image.open(evaluated / f"{name}.png") as picture:
        assert min(picture.size) > 300
        assert np.asarray(picture.convert("L")).std() > 5


def test_the_report_opens_without_a_network_and_says_what_was_found(evaluated):
    page = (evaluated / "report.html").read_text()
    assert not re.search(r"""(src|href)\s*=\s*["']?https?:""", page)
    assert page.count("data:image/") >= 5
    metrics = json.loads((evaluated / "metrics.json").read_text())
    assert f"{metrics['test']['auc']:.3f}" in page
    for gate in json.loads((evaluated / "gates.json").read_text())["gates"]:
        assert gate["reason"] in page
    assert "python -m pipelines.evaluate --recipe recipes/tiny.yaml" in page


def test_without_a_second_hospital_the_test_set_stands_alone(tiny, labels):
    (tiny / "prepared" / "external.npy").unlink()
    run(tiny / "prepared", tiny / "model", tiny / "evaluation", labels, GATES[:1])
    assert list(json.loads((tiny / "evaluation" / "metrics.json").read_text())) == ["test"]


def test_a_failed_evaluation_leaves_the_last_one_alone(tiny, labels, evaluated):
    before = (evaluated / "metrics.json").read_bytes()
    (tiny / "prepared" / "test.npy").unlink()
    with pytest.raises(DataError, match="no prepared split 'test'"):
        run(tiny / "prepared", tiny / "model", evaluated, labels, GATES)
    assert (evaluated / "metrics.json").read_bytes() == before
    assert not list(tiny.glob("*.partial"))


def test_a_model_of_other_labels_is_refused(tiny):
    others = LabelParams(names=("NORMAL", "TB"), positive="TB")
    with pytest.raises(ModelError, match="Train again with this recipe"):
        run(tiny / "prepared", tiny / "model", tiny / "evaluation", others, GATES)


def test_images_of_another_size_are_refused(tiny, labels):
    np.save(tiny / "prepared" / "test.npy", np.zeros((40, 8, 8, 1), dtype=np.uint8))
    with pytest.raises(DataError, match="8 x 8 x 1, the model takes 16 x 16 x 1"):
        run(tiny / "prepared", tiny / "model", tiny / "evaluation", labels, GATES)


def test_a_changed_model_file_is_refused(tiny, labels):
    with (tiny / "model" / "model.onnx").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ReleaseError, match="The file was changed"):
        run(tiny / "prepared", tiny / "model", tiny / "evaluation", labels, GATES)
