import keras
import numpy as np
import pandas as pd
import pytest

from pipelines.card import read_card
from pipelines.errors import DataError
from pipelines.inference import Classifier
from pipelines.prepared import COLUMNS
from pipelines.recipe import AugmentParams, LabelParams, ModelParams, ServeParams, ThresholdParams, TrainParams
from pipelines.train import reference, run
from pipelines.training import BestEpoch, Labelled, auc

AUGMENT = AugmentParams(
    rotation=5, shift=0.05, shear=0, zoom=0.05, flip=False, contrast=0.1, brightness=0.05, noise=0.01
)
MODEL = ModelParams(name="small-cnn", filters=(4, 6), dense=4, dropout=0.1)
TRAIN = TrainParams(seed=1, epochs=4, batch=8, learning_rate=0.01, weight_decay=1e-4, patience=4, class_weights=True)
THRESHOLD = ThresholdParams(rule="youden", minimum=0.5, refer_error=0.1)


@pytest.fixture
def prepared(tmp_path, rng, labels):
    """Prepared splits in which ill images have a bright patch."""
    folder = tmp_path / "prepared"
    folder.mkdir()
    for split, count in (("train", 48), ("val", 24)):
        target = np.arange(count) % 2
        images = rng.integers(0, 120, (count, 16, 16, 1), dtype=np.uint8)
        images[target == 1, 4:10, 4:10] += 100
        np.save(folder / f"{split}.npy", images)
        rows = pd.DataFrame({"image_id": [f"{split}{n}" for n in range(count)], "target": target})
        rows["label"] = [labels.names[t] for t in target]
        rows["patient_id"] = rows["path"] = rows["image_id"]
        rows = rows.assign(split=split, site="home", view=None, sex=None, age=np.nan)
        rows[COLUMNS].to_parquet(folder / f"{split}.parquet")
    return folder


def train(prepared, trained, labels, image, **changed):
    run(
        prepared,
        trained,
        recipe="tiny",
        title="Patches",
        labels=labels,
        image=image,
        augment=AUGMENT,
        model=MODEL,
        train=changed.get("train", TRAIN),
        threshold=THRESHOLD,
        serve=ServeParams(refuse=0.01),
    )


def test_training_leaves_a_model_that_tells_the_classes_apart(prepared, tmp_path, labels, small_image):
    train(prepared, trained := tmp_path / "model", labels, small_image)
    assert {path.name for path in trained.iterdir()} == {"model.keras", "model.onnx", "card.json", "history.csv"}
    images = np.load(prepared / "val.npy")
    answers = Classifier(trained).answer(images)
    assert auc(np.arange(24) % 2, answers.probability[:, 1:]) > 0.9
    saved = keras.models.load_model(trained / "model.keras")
    assert np.allclose(saved.predict(images.astype("float32"), verbose=0)[:, 0], answers.probability[:, 1], atol=1e-5)


def test_the_card_says_what_the_service_must_know(prepared, tmp_path, labels, small_image):
    train(prepared, trained := tmp_path / "model", labels, small_image)
    card = read_card(trained / "card.json")
    assert (card.recipe, card.labels, card.image) == ("tiny", labels, small_image)
    assert card.version == card.sha256[:12]
    assert 0 < card.threshold < 1
    assert card.familiarity.distances == tuple(sorted(card.familiarity.distances))
    assert card.facts["data"]["train"]["labels"] == {"NORMAL": 24, "PNEUMONIA": 24}
    assert max(card.facts["parity"].values()) < 1e-4


def test_training_again_gives_the_same_model_bit_for_bit(prepared, tmp_path, labels, small_image):
    for name in ("one", "two"):
        train(prepared, tmp_path / name, labels, small_image)
    one, two = (read_card(tmp_path / name / "card.json") for name in ("one", "two"))
    assert one == two
    images = np.load(prepared / "val.npy")
    assert np.array_equal(
        Classifier(tmp_path / "one").answer(images).probability, Classifier(tmp_path / "two").answer(images).probability
    )


def test_the_positive_class_may_stand_first(prepared, tmp_path, small_image):
    turned = LabelParams(names=("PNEUMONIA", "NORMAL"), positive="PNEUMONIA")
    for split in ("train", "val"):
        rows = pd.read_parquet(prepared / f"{split}.parquet")
        rows["target"] = 1 - rows["target"]
        rows.to_parquet(prepared / f"{split}.parquet")
    train(prepared, trained := tmp_path / "model", turned, small_image)
    answers = Classifier(trained).answer(np.load(prepared / "val.npy"))
    assert auc(np.arange(24) % 2, answers.probability[:, :1]) > 0.9


def test_without_prepared_images_nothing_is_written(tmp_path, labels, small_image):
    with pytest.raises(DataError, match="no prepared split 'train'"):
        train(tmp_path, tmp_path / "model", labels, small_image)
    assert not (tmp_path / "model").exists()


def test_familiarity_refers_to_the_distances_of_validation():
    found = reference(np.array([3.0, 1.0, 2.0]), refuse=0.1)
    assert (found.distances[0], found.distances[100], found.distances[-1]) == (1.0, 2.0, 3.0)
    assert found.refuse == 0.1


class Scripted:
    """Stands for a model whose answers get better and then worse."""

    def __init__(self):
        self.weights, self.stop_training = 0, False
        self.output = None

    def get_weights(self):
        return [np.array(self.weights)]

    def set_weights(self, weights):
        self.weights = int(weights[0])


def test_the_best_epoch_is_kept_and_patience_ends(monkeypatch):
    scores = iter([0.6, 0.9, 0.8, 0.7, 0.95])
    monkeypatch.setattr("pipelines.training.predict", lambda model, images: np.full((4, 1), 0.5))
    monkeypatch.setattr("pipelines.training.auc", lambda targets, probability: next(scores))
    model = Scripted()
    best = BestEpoch(
        model, Labelled(np.zeros((4, 1)), np.array([0, 1, 0, 1])), TRAIN.model_copy(update={"patience": 2})
    )
    best.set_model(model)
    for epoch in range(4):
        model.weights = epoch
        best.on_epoch_end(epoch, {"loss": 0.5})
        if model.stop_training:
            break
    best.on_train_end()
    assert epoch == 3
    assert model.weights == 1
    assert [row["val_auc"] for row in best.history] == [0.6, 0.9, 0.8, 0.7]
