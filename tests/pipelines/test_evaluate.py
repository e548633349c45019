import json
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import brier_score_loss, confusion_matrix, roc_auc_score

from pipelines.errors import DataError, ModelError, ReleaseError
from pipelines.evaluate import run
from pipelines.recipe import GateParams, ImageParams, LabelParams, MeasureParams, ThresholdParams
from pipelines.recompute import recompute
from pipelines.shortcuts import audit
from tests.pipelines.conftest import STATISTICS, write_split

GATES = (
    GateParams(metric="sensitivity", split="test", bound="low", minimum=0.1),
    GateParams(metric="specificity", split="external", bound="point", minimum=1.0),
)
RULE = ThresholdParams(rule="youden", minimum=0.9, miss_cost=1.0, confidence=None, refer_error=0.02, temperature=False)
MEASURE = MeasureParams(prevalences=(0.1,), margin=0.03, masks=None, body=False)


def write_manifest(tiny):
    """What ingest knows of the files behind the prepared splits; each film has a size and a digest of its own."""
    rows = pd.concat([pd.read_parquet(file) for file in sorted((tiny / "prepared").glob("*.parquet"))])
    digests = [f"{number:064x}" for number in range(len(rows))]
    told = rows[["image_id", "path", "split"]].assign(form="picture", index=0, sha256=digests, width=200, height=160)
    told = told.assign(**STATISTICS)
    told.to_parquet(tiny / "manifest.parquet", index=False)


@pytest.fixture
def evaluate(tiny, labels):
    """Evaluate the tiny model beside the audit of some films that the mean brightness gives away."""
    images = pd.DataFrame({"image_id": [f"{number}.png" for number in range(60)], "site": "riverside", "age": 40.0})
    images = images.assign(patient_id=images["image_id"], label=["NORMAL", "PNEUMONIA"] * 30, width=16, height=16)
    image = ImageParams(levels="stored", height=16, width=16, channels=1, fit="pad")
    found = audit(images.assign(mean=[90.0, 110.0] * 30), labels, image)
    (tiny / "shortcuts.json").write_text(json.dumps({"limit": 0.7, "severity": "warn", **found}))

    write_manifest(tiny)
    paths = [tiny / name for name in ("raw", "manifest.parquet", "prepared", "model")]
    paths += [tiny / name for name in ("shortcuts.json", "production", "evaluation")]

    def measure(labels=labels, gates=GATES, measured=MEASURE):
        run(*paths, "tiny", labels, RULE, gates, measured)
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
    contract = {"metric", "split", "bound", "minimum", "value", "passed", "reason"}
    assert contract < set(gates["gates"][0])
    assert len(gates["rules"]["sha256"]) == 64
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
    for kind in ("npy", "parquet"):
        (tiny / "prepared" / f"external.{kind}").unlink()
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


def test_the_record_is_computed_again_to_the_last_digit(evaluated):
    found = recompute(evaluated)
    assert found.metrics == json.loads((evaluated / "metrics.json").read_text())


def test_which_images_were_measured_is_kept(evaluated):
    kept = pd.read_parquet(evaluated / "images.parquet")
    assert dict(kept["split"].value_counts()) == {"test": 40, "external": 24}
    assert kept["sha256"].is_unique


def test_subgroups_know_the_size_of_the_files(tiny, evaluate):
    rows = pd.read_parquet(tiny / "manifest.parquet")
    rows.loc[:20, "height"] = 40
    rows.to_parquet(tiny / "manifest.parquet")
    groups = json.loads((evaluate() / "metrics.json").read_text())["external"]["subgroups"]
    assert {group["group"] for group in groups if group["by"] == "image size"} == {"under 64 px", "128 to 255 px"}


@pytest.mark.parametrize("same", ["image_id", "sha256"])
def test_a_test_film_that_was_trained_on_is_refused(tiny, evaluate, rng, same):
    films = rng.integers(0, 256, (4, 16, 16, 1), dtype=np.uint8)
    write_split(tiny / "prepared", "test", films, [0, 1, 0, 1])
    rows = pd.read_parquet(tiny / "prepared" / "test.parquet")
    other = rows.assign(split="train", image_id=[f"train/{n}" for n in range(4)])
    if same == "image_id":
        other.loc[0, "image_id"] = rows["image_id"][0]
    np.save(tiny / "prepared" / "train.npy", films)
    other.to_parquet(tiny / "prepared" / "train.parquet")
    write_manifest(tiny)
    if same == "sha256":
        told = pd.read_parquet(tiny / "manifest.parquet")
        told.loc[told["image_id"].isin([rows["image_id"][1], "train/2"]), "sha256"] = "e" * 64
        told.to_parquet(tiny / "manifest.parquet")
    else:
        pd.read_parquet(tiny / "manifest.parquet").drop_duplicates("image_id").to_parquet(tiny / "manifest.parquet")
    with pytest.raises(DataError, match="1 test images were trained or validated on, e.g. test/film"):
        evaluate()


def test_masks_that_nobody_drew_are_asked_for(tiny, evaluate):
    with pytest.raises(DataError, match="Not one of 64 films has a mask"):
        evaluate(measured=MEASURE.model_copy(update={"masks": "masks"}))


def test_heat_beside_the_body_is_measured_where_the_recipe_says_there_is_one(evaluate):
    found = json.loads((evaluate(measured=MEASURE.model_copy(update={"body": True})) / "metrics.json").read_text())
    assert 0 <= found["test"]["heat_outside_body"] <= 1
    assert 0 < found["test"]["heat_outside_body_n"] <= 40


def test_a_latency_is_measured_only_where_a_gate_asks_for_it(evaluate):
    told = json.loads((evaluate() / "gates.json").read_text())
    assert set(told["model"]) == {"size_mb", "parity"}
    gate = GateParams(metric="latency_ms", split="model", bound="point", maximum=1e4)
    told = json.loads((evaluate(gates=(gate,)) / "gates.json").read_text())
    assert told["gates"][0]["passed"]
    assert 0 < told["model"]["latency_ms"] < 1e4
