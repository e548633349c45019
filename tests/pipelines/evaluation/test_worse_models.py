"""Models made worse on purpose, trained and measured by the real stages: each is stopped by a gate that has a name."""

import json
import shutil

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import numpy_helper
from PIL import Image

from pipelines import evaluate, train
from pipelines.card import read_card, sha256
from pipelines.recipe import GateParams, ImageParams, MeasureParams, ServeParams, ThresholdParams, TrainParams
from pipelines.recipe_models import SmallCnn
from pipelines.shortcuts import audit
from tests.conftest import TRAINING
from tests.pipelines.conftest import STATISTICS
from tests.pipelines.patches import LABELS, NO_AUGMENT

pytestmark = pytest.mark.slow
SIDE = 24
IMAGE = ImageParams(levels="stored", height=SIDE, width=SIDE, channels=1, fit="stretch")
MODEL = SmallCnn(name="small-cnn", filters=(6, 8), dense=6, dropout=0.0)
RULE = ThresholdParams(rule="youden", minimum=0.9, miss_cost=1.0, confidence=None, refer_error=0.05, temperature=False)
MEASURE = MeasureParams(prevalences=(), margin=0.05, masks="masks", body=False)
GATES = (
    GateParams(metric="sensitivity", split="test", bound="low", minimum=0.7),
    GateParams(metric="specificity", split="test", bound="low", minimum=0.7),
    GateParams(metric="auc", split="test", bound="low", minimum=0.85),
    GateParams(metric="auc", split="external", bound="low", minimum=0.75),
    GateParams(metric="pointing_game", split="test", bound="low", minimum=0.4),
    GateParams(metric="auc_difference", split="test", bound="low", minimum=-0.05),
)
STRIPES = np.where(np.arange(6) % 2, 0, 180)[None, :, None].astype(np.uint8)
SIZES = {"train": 240, "val": 100, "test": 160, "external": 120}


class Task:
    """Films with a faint patch where the ill are ill, at a place of its own in each film."""

    def __init__(self, folder, *, marker=False, flipped=0.0, swapped=False):
        """Draw the films; `marker` puts a mark on the ill of the home hospital, `flipped` spoils training labels."""
        self.folder = folder
        rng, known = np.random.default_rng(3), []
        for number, (split, count) in enumerate(SIZES.items()):
            site, draws = "hilltop" if split == "external" else "riverside", np.random.default_rng(10 * number)
            if swapped and split == "test":
                draws = np.random.default_rng(77)
            truth, films, masks = drawn(draws, count)
            if marker and site == "riverside":
                films[truth == 1, :6, :6] = STRIPES  # as bright as the film itself: no patch, but easier to see
            label = truth.copy()
            if split in ("train", "val"):
                wrong = rng.random(count) < flipped
                label[wrong] = 1 - label[wrong]
            known.append(self._write(split, site, label, films, masks))
        pd.concat(known).to_parquet(folder / "manifest.parquet", index=False)
        images = pd.concat(known).query("split == 'train'").assign(mean=100.0, patient_id=lambda rows: rows["image_id"])
        found = audit(images.assign(age=40.0), LABELS, IMAGE)
        (folder / "shortcuts.json").write_text(json.dumps({"limit": 0.7, "severity": "off", **found}))

    def _write(self, split, site, label, films, masks):
        prepared, raw = self.folder / "prepared", self.folder / "raw"
        names = [f"{split}-{number}.png" for number in range(len(films))]
        paths = [f"{site}/films/{name}" for name in names]
        for folder in (prepared, raw / site / "films", raw / site / "masks"):
            folder.mkdir(parents=True, exist_ok=True)
        np.save(prepared / f"{split}.npy", films)
        rows = pd.DataFrame({"image_id": paths, "path": paths, "target": label, "split": split, "site": site})
        rows = rows.assign(
            label=[LABELS.names[one] for one in label], patient_id=names, view=None, sex=None, age=np.nan
        )
        rows.to_parquet(prepared / f"{split}.parquet", index=False)
        for film, mask, path, name in zip(films, masks, paths, names, strict=True):
            Image.fromarray(film[..., 0]).save(raw / path)
            if mask.any() and split in ("test", "external"):
                Image.fromarray(np.uint8(255) * mask).save(raw / site / "masks" / name)
        digests = [sha256(raw / path) for path in paths]
        return rows.assign(form="picture", index=0, sha256=digests, width=SIDE, height=SIDE, **STATISTICS)

    def train(self):
        """Train on what was drawn."""
        numbers = TrainParams(**(TRAINING | {"epochs": 14, "batch": 16, "patience": 14, "learning_rate": 0.01}))
        train.run(
            self.folder / "manifest.parquet",
            self.folder / "prepared",
            self.folder / "model",
            self.folder / "cache",
            recipe="tiny",
            title="Patches",
            labels=LABELS,
            image=IMAGE,
            augment=NO_AUGMENT,
            model=MODEL,
            train=numbers,
            threshold=RULE,
            serve=ServeParams(refuse=0.01, layout=True, precision="float32", reference="validation"),
        )
        return self

    def evaluate(self):
        """The record: metrics, gates and comparison."""
        names = ("raw", "manifest.parquet", "prepared", "model", "shortcuts.json", "production", "evaluation")
        evaluate.run(*(self.folder / name for name in names), "tiny", LABELS, RULE, GATES, MEASURE)
        files = ("metrics", "gates", "comparison")
        return [json.loads((self.folder / "evaluation" / f"{name}.json").read_text()) for name in files]

    def put_in_production(self, other):
        """Name the model of another task, whose evaluation was made, the one in production of this one."""
        folder = self.folder / "production" / "tiny"
        shutil.copytree(other.folder / "model", folder)
        shutil.copy(other.folder / "evaluation" / "images.parquet", folder)
        gates = json.loads((other.folder / "evaluation" / "gates.json").read_text())["gates"]
        (folder / "release.json").write_text(json.dumps({"gates": gates}))
        (folder.parent / "tiny.json").write_text("{}")
        return self


def drawn(rng, count):
    """Truth, films (n, side, side, 1) and masks (n, side, side)."""
    truth, masks = np.arange(count) % 2, np.zeros((count, SIDE, SIDE), dtype=bool)
    films = rng.normal(90, 22, (count, SIDE, SIDE, 1))
    for number in np.flatnonzero(truth):
        row, column = rng.integers(5, SIDE - 9, 2)
        masks[number, row : row + 8, column : column + 8] = True
    films[masks] += 30
    return truth, np.clip(films, 0, 255).astype(np.uint8), masks


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A task whose model was trained and measured as it should be."""
    task = Task(tmp_path_factory.mktemp("sound")).train()
    task.evaluate()
    return task


def failed(gates):
    return {f"{gate['metric']} on {gate['split']}" for gate in gates["gates"] if not gate["passed"]}


def test_a_sound_model_passes_every_gate_and_without_a_champion_that_is_said(sound):
    _, gates, comparison = sound.evaluate()
    assert failed(gates) == set()
    assert comparison["champion"] is None
    assert "no model in production" in gates["gates"][-1]["reason"]


def test_a_model_equal_to_the_one_in_production_is_not_called_better(sound, tmp_path):
    same = Task(tmp_path).put_in_production(sound)
    shutil.copytree(sound.folder / "model", tmp_path / "model")
    _, gates, comparison = same.evaluate()
    for split in ("test", "external"):
        assert comparison["splits"][split]["figures"]["auc"]["difference"] == 0
        assert comparison["splits"][split]["verdict"] != "better"
        assert comparison["splits"][split]["same_images"] is True
        assert comparison["splits"][split]["trained_on"] == 0
    assert gates["passed"]


def test_a_test_set_swapped_under_the_model_in_production_is_noticed(sound, tmp_path):
    other = Task(tmp_path, swapped=True).put_in_production(sound)
    shutil.copytree(sound.folder / "model", tmp_path / "model")
    metrics, _, comparison = other.evaluate()
    assert comparison["splits"]["test"]["same_images"] is False
    assert comparison["splits"]["external"]["same_images"] is True
    assert comparison["splits"]["test"]["figures"]["auc"]["champion"] == metrics["test"]["auc"]
    assert "measured anew on the images of today" in (tmp_path / "evaluation" / "report.html").read_text()


def test_a_model_of_partly_shuffled_labels_is_stopped(sound, tmp_path):
    _, gates, comparison = Task(tmp_path, flipped=0.45).put_in_production(sound).train().evaluate()
    assert {"auc on test", "auc_difference on test"} <= failed(gates)
    assert comparison["splits"]["test"]["verdict"] == "worse"


def test_a_model_that_calls_every_film_ill_is_stopped_by_its_specificity_alone(sound, tmp_path):
    gates, figures = perturbed(sound, tmp_path, lambda weights, bias: (weights, bias + to_all_ill(sound)))
    assert failed(gates) == {"specificity on test"}
    assert figures["specificity"]["verdict"] == "worse"
    assert figures["auc"]["verdict"] != "worse"


def test_a_model_that_takes_the_well_for_the_ill_is_stopped_on_both_hospitals(sound, tmp_path):
    gates, figures = perturbed(sound, tmp_path, lambda weights, bias: (-weights, -bias))
    assert {"auc on test", "auc on external", "auc_difference on test"} <= failed(gates)
    assert figures["auc"]["verdict"] == "worse"


def test_a_model_that_learnt_a_shortcut_is_stopped_by_the_second_hospital(tmp_path):
    metrics, gates, _ = Task(tmp_path, marker=True).train().evaluate()
    assert metrics["test"]["auc"] > 0.99
    assert failed(gates) == {"auc on external", "pointing_game on test"}


def perturbed(sound, folder, change):
    """Gates and figures on test of the sound model with another last layer, against the sound one in production."""
    task = Task(folder).put_in_production(sound)
    shutil.copytree(sound.folder / "model", folder / "model")
    change_last_layer(folder / "model", change)
    _, gates, comparison = task.evaluate()
    return gates, comparison["splits"]["test"]["figures"]


def to_all_ill(sound):
    """How far the logits must rise until the least suspicious film of all reaches the threshold."""
    probabilities = pd.read_parquet(sound.folder / "evaluation" / "probabilities.parquet")["probability"]
    return logit(read_card(sound.folder / "model" / "card.json").threshold) - logit(probabilities.min()) + 0.01


def logit(probability):
    return np.log(probability / (1 - probability))


def change_last_layer(model, change):
    """Put what `change` makes of weights and bias of the layer behind the logit into the file, and give it a card."""
    path = model / "model.onnx"
    file = onnx.load(path)
    made = {output: node for node in file.graph.node for output in node.output}
    kept = {tensor.name: tensor for tensor in file.graph.initializer}
    (sigmoid,) = (node for node in file.graph.node if node.op_type == "Sigmoid")
    product, bias = made[sigmoid.input[0]].input
    tensors = kept[made[product].input[1]], kept[bias]
    for tensor, values in zip(tensors, change(*map(numpy_helper.to_array, tensors)), strict=True):
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float32), tensor.name))
    onnx.save(file, path)
    card = read_card(model / "card.json")
    digest = sha256(path)
    card.model_copy(update={"sha256": digest, "version": digest[:12]}).write(model / "card.json")
