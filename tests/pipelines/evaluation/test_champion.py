import json
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipelines.card import sha256
from pipelines.errors import ReleaseError
from pipelines.evaluation.champion import answers_of, read_champion, terms_of
from pipelines.images import prepare, read
from pipelines.recipe import ImageParams, LabelParams
from tests.pipelines.conftest import card_of, write_model

IMAGES = pd.DataFrame(
    {"split": ["train", "val", "test"], "image_id": list("abc"), "label": "NORMAL", "sha256": list("xyz")}
)
SMALL = ImageParams(levels="stored", height=16, width=16, channels=1, fit="pad")


@pytest.fixture
def production(tmp_path):
    """A folder in which a model of 16 x 16 films is named the one in production."""
    write_model(tmp_path / "production" / "tiny")
    folder = tmp_path / "production" / "tiny"
    (folder / "release.json").write_text(json.dumps({"gates": [{"metric": "auc"}], "rules": {"margin": 0.02}}))
    IMAGES.to_parquet(folder / "images.parquet")
    (tmp_path / "production" / "tiny.json").write_text("{}")
    return tmp_path / "production"


@pytest.fixture
def raw(tmp_path, rng):
    """Three films as files, and their rows of a manifest."""
    for number in range(3):
        Image.fromarray(rng.integers(0, 256, (40, 30), dtype=np.uint8)).save(tmp_path / f"{number}.png")
    return tmp_path, pd.DataFrame({"path": [f"{n}.png" for n in range(3)], "form": "picture", "index": 0})


def test_where_none_is_named_there_is_none(tmp_path, labels):
    assert read_champion(tmp_path, "tiny", labels) is None


def test_it_answers_the_very_images_where_it_takes_their_form(production, labels, raw, rng):
    champion = read_champion(production, "tiny", labels)
    images = rng.integers(0, 256, (3, 16, 16, 1), dtype=np.uint8)
    found = answers_of(champion, images, SMALL, *raw)
    assert list(found) == ["champion_probability_NORMAL", "champion_probability_PNEUMONIA"]
    expected = champion.classifier.answer_all(images).probability
    assert found.to_numpy() == pytest.approx(expected)


def test_it_sees_each_film_prepared_anew_where_it_takes_another_form(production, labels, raw):
    champion = read_champion(production, "tiny", labels)
    other = SMALL.model_copy(update={"height": 8, "width": 8})
    found = answers_of(champion, np.zeros((3, 8, 8, 1), dtype=np.uint8), other, *raw)
    films = np.stack([prepare(read(raw[0] / path), SMALL) for path in raw[1]["path"]])
    assert found.to_numpy() == pytest.approx(champion.classifier.answer_all(films).probability)
    assert len(set(found["champion_probability_PNEUMONIA"])) > 1


def test_images_that_it_was_trained_on_are_counted(production, labels):
    table = pd.DataFrame({"split": ["test", "test", "external"], "sha256": ["x", "w", "y"], "label": "NORMAL"})
    told = terms_of(read_champion(production, "tiny", labels), table)
    assert told.trained_on == {"test": 1, "external": 1}
    assert set(told.images) == {"test"}
    assert told.rules == {"gates": [{"metric": "auc"}], "margin": 0.02}
    assert terms_of(None, table) is None


@pytest.mark.parametrize("name", ["model.onnx", "release.json", "images.parquet"])
def test_one_that_is_named_but_not_here_is_asked_for(production, labels, name):
    (production / "tiny" / name).unlink()
    with pytest.raises(ReleaseError, match=rf"lacks {name}\. Fetch it \(dvc pull"):
        read_champion(production, "tiny", labels)


def test_a_changed_model_file_is_refused(production, labels):
    with (production / "tiny" / "model.onnx").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ReleaseError, match="The file was changed"):
        read_champion(production, "tiny", labels)


def test_one_of_other_classes_cannot_be_compared(production, labels):
    shutil.rmtree(production / "tiny")
    three = LabelParams(names=("A", "B", "C"), positive=None)
    write_model(production / "tiny", three)
    card_of(three, sha256(production / "tiny" / "model.onnx")).write(production / "tiny" / "card.json")
    (production / "tiny" / "release.json").write_text("{}")
    IMAGES.to_parquet(production / "tiny" / "images.parquet")
    with pytest.raises(ReleaseError, match="tells A, B, C apart, the recipe has NORMAL, PNEUMONIA"):
        read_champion(production, "tiny", labels)
