import numpy as np
import pandas as pd
import pytest

from pipelines.errors import ModelError
from pipelines.evaluation import pages
from pipelines.evaluation.answered import Films, answered
from pipelines.evaluation.failures import MOST
from pipelines.evaluation.pages import write_failures
from pipelines.inference import Classifier
from pipelines.prepared import read_split
from pipelines.recipe import MeasureParams
from tests.pipelines.conftest import STATISTICS, draw, rows_of, write_model

MEASURE = MeasureParams(masks=None, body=False, prevalences=(0.1,), margin=0.03)
TRAINED_ON = 40


@pytest.fixture
def written(tmp_path, rng, monkeypatch):
    """A function that writes the page beside the answers, with features of so many training films, on `facts`.

    Gives the folder, and how many films features were asked of.
    """
    prepared, asked = tmp_path / "prepared", []
    prepared.mkdir()
    for split, count in (("test", 200), ("train", TRAINED_ON), ("val", 60)):
        targets = np.arange(count) % 2
        np.save(prepared / f"{split}.npy", draw(rng, targets, gap=4.0))
        rows_of("test", targets).to_parquet(prepared / f"{split}.parquet")

    def features(path, images):
        asked.append(len(images))
        return np.eye(2)[np.arange(len(images)) % 2]

    def write(known=TRAINED_ON, facts=None):
        write_model(tmp_path / "model", facts=facts or {})
        if known:
            np.save(tmp_path / "model" / "features.npy", np.eye(2)[np.arange(known) % 2].astype(np.float16))
        monkeypatch.setattr(pages, "pooled_features", features)
        classifier = Classifier(tmp_path / "model")
        rows = {split: read_split(prepared, split)[1] for split in ("train", "val", "test")}
        rows = {split: one.assign(sha256=None, width=16, height=16, **STATISTICS) for split, one in rows.items()}
        films = Films(tmp_path, prepared, rows, MEASURE)
        found = {"test": answered("test", films, classifier, None)}
        (tmp_path / "evaluation").mkdir()
        write_failures(tmp_path / "evaluation", found, films, classifier, tmp_path / "model")
        return tmp_path / "evaluation", asked

    return write


def test_features_are_asked_of_the_films_that_are_shown_and_of_no_other(written):
    folder, asked = written()
    assert asked == [MOST]
    html = (folder / "failures.html").read_text()
    assert html.count('alt="image and heatmap"') == MOST
    assert html.count('alt="training image"') == 3 * MOST


def test_each_film_keeps_its_own_heat(written, monkeypatch):
    shown = []
    monkeypatch.setattr(
        pages.failures_page, "render_failures", lambda card, found, *rest: shown.extend(found["test"]) or ""
    )
    written()
    grey = [one.pixels.reshape(4, 4, 4, 4).mean(axis=(1, 3)) for one in shown]
    assert np.allclose([one.heat for one in shown], np.maximum(np.array(grey) - 120, 0) / 40, atol=1e-5)


def test_labels_of_validation_are_doubted_too(written):
    doubted = pd.read_csv(written()[0] / "suspects.csv")
    assert list(doubted) == ["split", "image_id", "path", "label", "suggested", "probability"]
    assert set(doubted["split"]) == {"val", "test"}


def test_without_kept_features_none_are_asked_for(written):
    folder, asked = written(known=0)
    assert asked == []
    assert "not known" in (folder / "failures.html").read_text()


def test_features_of_another_number_of_images_are_refused(written):
    with pytest.raises(ModelError, match="is of 39 images, the training split has 40. Train again"):
        written(known=39)


def test_features_of_other_training_images_are_refused(written):
    with pytest.raises(ModelError, match="is not what the model learnt from. Train again"):
        written(facts={"data": {"train": {"sha256": "0" * 64}}})
