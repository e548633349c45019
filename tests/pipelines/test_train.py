import keras
import numpy as np
import onnx
import pandas as pd
import pytest
from sklearn.metrics import log_loss

from pipelines.card import Decision, read_card
from pipelines.errors import DataError
from pipelines.inference import Classifier
from pipelines.prepared import COLUMNS
from pipelines.recipe import AugmentParams, LabelParams, ServeParams, ThresholdParams, TrainParams
from pipelines.recipe_models import SmallCnn
from pipelines.train import directions, in_words, patients_of, run
from pipelines.training.course import auc
from tests.conftest import TRAINING
from tests.pipelines.conftest import STATISTICS

AUGMENT = AugmentParams(
    rotation=5, shift=0.05, shear=0, zoom=0.05, flip=False, contrast=0.1, brightness=0.05, noise=0.01
)
MODEL = SmallCnn(name="small-cnn", filters=(4, 6), dense=4, dropout=0.1)
THRESHOLD = ThresholdParams(
    rule="youden", minimum=0.5, miss_cost=5.0, confidence=None, refer_error=0.1, temperature=False
)


@pytest.fixture
def prepared(tmp_path, rng, labels):
    """Prepared splits in which ill images have a bright patch."""
    folder = tmp_path / "prepared"
    folder.mkdir()
    told = []
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
        told.append(rows[["image_id"]].assign(**STATISTICS))
    pd.concat(told).to_parquet(tmp_path / "manifest.parquet")
    return folder


def train(prepared, trained, labels, image, **changed):
    run(
        prepared.with_name("manifest.parquet"),
        prepared,
        trained,
        changed.get("cache", trained.with_name(f"{trained.name}-cache")),
        recipe="tiny",
        title="Patches",
        labels=labels,
        image=image,
        augment=AUGMENT,
        model=MODEL,
        train=TrainParams(**TRAINING),
        threshold=changed.get("threshold", THRESHOLD),
        serve=ServeParams(
            refuse=0.01,
            layout=changed.get("layout", True),
            precision=changed.get("precision", "float32"),
            reference="validation",
        ),
    )


def test_training_leaves_a_model_that_tells_the_classes_apart(prepared, tmp_path, labels, small_image):
    train(prepared, trained := tmp_path / "model", labels, small_image)
    assert {path.name for path in trained.iterdir()} == {
        "architecture",
        "features.npy",
        "model.keras",
        "model.onnx",
        "card.json",
        "history.csv",
        "validation.json",
    }
    images = np.load(prepared / "val.npy")
    answers = Classifier(trained).answer(images)
    assert auc(np.arange(24) % 2, answers.probability) > 0.9
    saved = keras.models.load_model(trained / "model.keras")
    assert np.allclose(saved.predict(images.astype("float32"), verbose=0)[:, 0], answers.probability[:, 1], atol=1e-5)


@pytest.mark.parametrize("scale", [1, 1e6, 1e-12])
def test_directions_of_features_fit_whatever_their_scale(scale):
    found = directions(np.array([[3.0, 4.0], [0.0, 0.0]], dtype=np.float32) * np.float32(scale))
    assert found.dtype == np.float16
    assert found == pytest.approx(np.array([[0.6, 0.8], [0, 0]]), abs=1e-3)


def test_the_card_says_what_the_service_must_know(prepared, tmp_path, labels, small_image):
    train(prepared, trained := tmp_path / "model", labels, small_image)
    card = read_card(trained / "card.json")
    assert (card.recipe, card.labels, card.image) == ("tiny", labels, small_image)
    assert card.version == card.sha256[:12]
    assert 0 < card.threshold < 1
    assert card.familiarity.distances == tuple(sorted(card.familiarity.distances))
    assert card.limits.colour == pytest.approx((-5.1, 5.1))
    assert card.facts["data"]["train"]["labels"] == {"NORMAL": 24, "PNEUMONIA": 24}
    assert max(card.facts["parity"].values()) < 1e-4


def test_the_same_network_with_another_threshold_is_another_version(prepared, tmp_path, labels, small_image):
    cards, files = [], []
    for rule in ("youden", "sensitivity"):
        chosen = THRESHOLD.model_copy(update={"rule": rule, "minimum": 0.5})
        train(prepared, trained := tmp_path / rule, labels, small_image, threshold=chosen)
        cards.append(read_card(trained / "card.json"))
        files.append(onnx.load(trained / "model.onnx"))
    assert cards[0].threshold != cards[1].threshold
    assert cards[0].version != cards[1].version
    assert files[0].graph == files[1].graph
    (noted,) = files[1].metadata_props
    assert Decision.model_validate_json(noted.value).threshold == cards[1].threshold


def test_the_card_says_what_the_operating_point_promises_and_that_it_is_not_proven(
    prepared, tmp_path, labels, small_image
):
    promise = THRESHOLD.model_copy(update={"rule": "sensitivity", "minimum": 0.9, "confidence": 0.95})
    train(prepared, trained := tmp_path / "model", labels, small_image, threshold=promise)
    card = read_card(trained / "card.json")
    point = card.facts["operating_point"]
    assert (point["rule"], point["patients"], point["positives"]) == ("sensitivity", 12, 12)
    assert (point["proven"], point["needed"], point["temperature"]) == (False, 29, None)
    assert in_words(card).endswith(
        ": sensitivity 0.9 promised with confidence 0.95, not proven: 12 patients with positive films, 29 needed"
    )


def test_films_of_one_patient_count_once_and_each_site_has_its_own_patients(prepared):
    rows = pd.read_parquet(prepared / "val.parquet").iloc[:4]
    rows = rows.assign(patient_id=["p1", "p1", "p1", "p2"], site=["home", "home", "away", "home"])
    rows.to_parquet(prepared / "val.parquet")
    np.save(prepared / "val.npy", np.zeros((4, 16, 16, 1), dtype=np.uint8))
    one, same, elsewhere, other = patients_of(prepared)
    assert one == same
    assert len({one, elsewhere, other}) == 3


@pytest.mark.parametrize("names", [("NORMAL", "PNEUMONIA"), ("PNEUMONIA", "NORMAL"), ("NORMAL", "PNEUMONIA", "OTHER")])
def test_a_temperature_is_put_into_the_file_that_the_card_names(prepared, tmp_path, small_image, names):
    told = LabelParams(names=names, positive="PNEUMONIA" if len(names) == 2 else None)
    for split in ("train", "val"):
        rows = pd.read_parquet(prepared / f"{split}.parquet")
        rows.loc[::5, "label"] = names[-1]
        rows["target"] = [names.index(label) for label in rows["label"]]
        rows.to_parquet(prepared / f"{split}.parquet")
    cache, loss, probability = tmp_path / "cache", {}, {}
    targets = pd.read_parquet(prepared / "val.parquet")["target"]
    for temperature in (False, True):
        rule, trained = THRESHOLD.model_copy(update={"temperature": temperature}), tmp_path / str(temperature)
        train(prepared, trained, told, small_image, cache=cache, threshold=rule)
        probability[temperature] = Classifier(trained).answer(np.load(prepared / "val.npy")).probability
        loss[temperature] = log_loss(targets, probability[temperature], labels=range(len(names)))
    assert loss[True] < loss[False]
    facts = read_card(trained / "card.json").facts
    fitted = facts["temperature"] if len(names) == 3 else facts["operating_point"]["temperature"]
    powers = probability[False].astype(np.float64) ** (1 / fitted)
    assert np.allclose(probability[True], powers / powers.sum(axis=1, keepdims=True), atol=1e-5)


def test_training_again_gives_the_same_model_bit_for_bit(prepared, tmp_path, labels, small_image):
    for name in ("one", "two"):
        train(prepared, tmp_path / name, labels, small_image)
    one, two = (read_card(tmp_path / name / "card.json") for name in ("one", "two"))
    assert one == two
    images = np.load(prepared / "val.npy")
    assert np.array_equal(
        Classifier(tmp_path / "one").answer(images).probability, Classifier(tmp_path / "two").answer(images).probability
    )


def test_a_file_in_eight_bits_comes_from_the_same_weights_and_the_card_says_how_far_it_lies_off(
    prepared, tmp_path, labels, small_image, monkeypatch
):
    cache = tmp_path / "cache"
    train(prepared, tmp_path / "exact", labels, small_image, cache=cache)
    monkeypatch.setattr(keras.Model, "fit", lambda *a, **k: pytest.fail("trains"))
    for name in ("one", "two"):
        train(prepared, tmp_path / name, labels, small_image, cache=cache, precision="int8")
    assert (tmp_path / "one" / "model.onnx").read_bytes() == (tmp_path / "two" / "model.onnx").read_bytes()
    exact, rounded = (read_card(tmp_path / name / "card.json") for name in ("exact", "one"))
    assert (exact.facts["precision"], exact.facts["quantisation"]) == ("float32", None)
    assert rounded.facts["precision"] == "int8"
    assert rounded.facts["parity"] == exact.facts["parity"]
    images = np.load(prepared / "val.npy")
    before, after = (Classifier(tmp_path / name).answer(images) for name in ("exact", "one"))
    away = np.abs(before.probability - after.probability)
    assert rounded.facts["quantisation"]["probability"] == pytest.approx(away.mean())
    assert 0 < rounded.facts["quantisation"]["largest"] < 0.2
    assert rounded.familiarity.distances[-1] == pytest.approx(float(after.distance.max()))


def test_whether_the_layout_counts_is_the_recipes_and_changes_the_distance_alone(
    prepared, tmp_path, labels, small_image
):
    cache, images = tmp_path / "cache", np.load(prepared / "val.npy")
    found = {}
    for layout in (True, False):
        train(prepared, tmp_path / str(layout), labels, small_image, cache=cache, layout=layout)
        assert read_card(tmp_path / str(layout) / "card.json").facts["layout"] == layout
        found[layout] = Classifier(tmp_path / str(layout)).answer(images)
    assert np.array_equal(found[True].probability, found[False].probability)
    assert np.corrcoef(found[True].distance, found[False].distance)[0, 1] < 0.999


def test_another_threshold_does_not_train_again(prepared, tmp_path, labels, small_image, monkeypatch):
    cache = tmp_path / "cache"
    train(prepared, tmp_path / "one", labels, small_image, cache=cache)
    monkeypatch.setattr(keras.Model, "fit", lambda *a, **k: pytest.fail("trains"))
    rule = THRESHOLD.model_copy(update={"rule": "sensitivity", "minimum": 0.99})
    train(prepared, tmp_path / "two", labels, small_image, cache=cache, threshold=rule)
    assert (tmp_path / "one" / "model.onnx").read_bytes() == (tmp_path / "two" / "model.onnx").read_bytes()
    images = np.load(prepared / "train.npy")
    np.save(prepared / "train.npy", images[::-1])
    with pytest.raises(pytest.fail.Exception, match="trains"):
        train(prepared, tmp_path / "three", labels, small_image, cache=cache)


def test_a_worker_that_is_not_the_first_writes_nothing(prepared, tmp_path, labels, small_image, monkeypatch):
    monkeypatch.setattr("pipelines.train.is_chief", lambda: False)
    train(prepared, tmp_path / "model", labels, small_image)
    assert not (tmp_path / "model").exists()


def test_the_positive_class_may_stand_first(prepared, tmp_path, small_image):
    turned = LabelParams(names=("PNEUMONIA", "NORMAL"), positive="PNEUMONIA")
    for split in ("train", "val"):
        rows = pd.read_parquet(prepared / f"{split}.parquet")
        rows["target"] = 1 - rows["target"]
        rows.to_parquet(prepared / f"{split}.parquet")
    train(prepared, trained := tmp_path / "model", turned, small_image)
    answers = Classifier(trained).answer(np.load(prepared / "val.npy"))
    assert auc(np.arange(24) % 2, answers.probability[:, ::-1]) > 0.9


def test_without_prepared_images_nothing_is_written(tmp_path, labels, small_image):
    with pytest.raises(DataError, match="no prepared split 'train'"):
        train(tmp_path, tmp_path / "model", labels, small_image)
    assert not (tmp_path / "model").exists()
