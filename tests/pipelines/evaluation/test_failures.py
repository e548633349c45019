import re

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss

from pipelines.evaluation.failures import NEAREST, Training, called_wrongly, failures, losses, nearest, suspects
from pipelines.evaluation.failures_page import render_failures
from pipelines.evaluation.predictions import tabulate
from pipelines.inference import Answers
from pipelines.recipe import LabelParams
from tests.pipelines.conftest import BINARY, card_of, described_rows

THREE = LabelParams(names=("A", "B", "C"), positive=None)


def table(targets, chances, labels=BINARY, split="test"):
    """Predictions of films of which the model gives the positive class these chances."""
    chances = np.asarray(chances, dtype=float)
    if chances.ndim == 1:
        chances = np.stack([1 - chances, chances], axis=1)
    answers = Answers(chances, np.ones((len(targets), 2, 2)), np.zeros(len(targets)))
    return tabulate(described_rows(split, targets, labels), answers, card_of(labels))


def pixels(count, rng):
    return rng.integers(0, 256, (count, 16, 16, 1), dtype=np.uint8)


@pytest.fixture
def training(rng):
    """Forty training films whose features tell their label: along one axis each."""
    rows = pd.DataFrame(
        {"image_id": [f"train-{n}" for n in range(40)], "label": [BINARY.names[n % 2] for n in range(40)]}
    )
    features = np.eye(2)[np.arange(40) % 2] * rng.uniform(1, 9, (40, 1)) + rng.normal(0, 0.01, (40, 2))
    return Training(pixels(40, rng), rows, features.astype(np.float16))


def test_the_loss_is_the_cross_entropy_of_scikit_learn():
    rows = table([0, 1, 1, 0], [0.1, 0.9, 0.3, 0.6])
    assert losses(rows, BINARY).mean() == pytest.approx(log_loss([0, 1, 1, 0], [0.1, 0.9, 0.3, 0.6]))
    assert np.isfinite(losses(table([1], [0.0]), BINARY)).all()


def test_films_called_wrongly_come_with_the_largest_loss_first(rng):
    rows, films = table([0, 1, 1, 0], [0.7, 0.9, 0.01, 0.98]), pixels(4, rng)
    wrong = called_wrongly(rows, card_of(BINARY))
    assert wrong == [2, 3, 0]
    found = failures(rows.iloc[wrong], films[wrong], np.ones((3, 2, 2)), None, card_of(BINARY))
    assert [one.row["image_id"] for one in found] == [f"test/film-{n:04d}.png" for n in wrong]
    assert [one.loss for one in found] == pytest.approx([-np.log(0.01), -np.log(0.02), -np.log(0.3)])
    assert [one.called for one in found] == ["NORMAL", "PNEUMONIA", "PNEUMONIA"]
    assert all((one.pixels == films[n]).all() for one, n in zip(found, wrong, strict=True))


def test_the_nearest_training_films_are_those_of_the_same_direction(training):
    near = nearest(np.array([[3.0, 0.0], [0.0, 0.2]]), training)
    assert [len(one) for one in near] == [NEAREST, NEAREST]
    assert {one.label for one in near[0]} == {"NORMAL"}
    assert {one.label for one in near[1]} == {"PNEUMONIA"}
    assert all(0 <= one.distance < 0.01 for one in near[0])


def planted(rng, count=200, flipped=6):
    """Predictions of a good model on films of which a few bear the wrong label."""
    truth = np.arange(count) % 2
    given = truth.copy()
    given[:flipped] = 1 - given[:flipped]
    return table(given, np.clip(truth + rng.normal(0, 0.08, count), 0.01, 0.99).clip(0.01, 0.99))


def test_planted_label_errors_are_found(rng):
    found, unknown = suspects({"test": planted(rng)}, BINARY)
    assert unknown == {}
    assert set(found["row"]) == set(range(6))
    assert list(found["image_id"]) == [f"test/film-{n:04d}.png" for n in found["row"]]
    assert (found["suggested"] != found["label"]).all()
    assert (found["probability"] < 0.5).all()
    assert list(found) == ["split", "row", "image_id", "path", "label", "suggested", "probability"]


def test_right_labels_are_not_suspected(rng):
    assert len(suspects({"test": planted(rng, flipped=0)}, BINARY)[0]) == 0


@pytest.mark.parametrize("targets", [[0] * 30, [0] * 28 + [1] * 2])
def test_where_a_class_is_missing_or_rare_nothing_is_said(targets):
    found, unknown = suspects({"test": table(targets, [0.3] * 30)}, BINARY)
    assert len(found) == 0
    assert unknown == {"test": "a class has fewer than 5 images"}


def test_many_classes_are_judged_too(rng):
    truth = np.arange(150) % 3
    chances = np.full((150, 3), 0.03) + 0.91 * np.eye(3)[truth]
    given = truth.copy()
    given[4] = (given[4] + 1) % 3
    found, _ = suspects({"test": table(given, chances, THREE)}, THREE)
    assert list(found["image_id"]) == ["test/film-0004.png"]
    assert found["suggested"][0] == THREE.names[truth[4]]


def page(rng, training, targets=(0, 1, 1, 0), chances=(0.7, 0.9, 0.01, 0.99), features=True):
    rows, card, searched = table(list(targets), list(chances)), card_of(BINARY), planted(rng)
    wrong = called_wrongly(rows, card)
    near = nearest(np.eye(2)[[1 - targets[row] for row in wrong]], training) if features and wrong else None
    found = failures(rows.iloc[wrong], pixels(len(rows), rng)[wrong], np.ones((len(wrong), 2, 2)), near, card)
    films = {"test": pixels(len(searched), rng)}
    return render_failures(card, {"test": found}, {"test": len(found)}, *suspects({"test": searched}, BINARY), films)


def test_the_page_asks_nothing_of_anybody_and_names_every_failure(rng, training):
    html = page(rng, training)
    addresses = re.findall(r"""(?:src|href)\s*=\s*["']?([^"'>\s]+)""", html)
    assert [address for address in addresses if not address.startswith("data:image/")] == ["report.html"]
    assert html.count('alt="image and heatmap"') == 3
    assert html.count('alt="training image"') == 9
    assert "<h2>test: 3 called wrongly</h2>" in html
    assert "NORMAL</b>, called PNEUMONIA" in html
    assert "research" in html


def test_neighbours_of_another_label_are_marked_and_suspects_listed(rng, training):
    html = page(rng, training)
    assert html.count("<figure class=other>") == 9
    assert html.count("3 of 3 of another label") == 3
    assert html.count('alt="image"') == 6
    assert "Labels that may be wrong" in html
    assert "test/film-0003.png" in html[html.index("Labels that may be wrong") :]


def test_a_suspect_is_shown_with_its_own_film(rng):
    searched = planted(rng)
    suspect, unknown = suspects({"test": searched}, BINARY)
    films = np.full((len(searched), 16, 16, 1), 10, dtype=np.uint8)
    films[suspect["row"].iloc[-1]] = 200
    html = render_failures(card_of(BINARY), {"test": []}, {"test": 0}, suspect, unknown, {"test": films})
    shown = re.findall(r'<img src="([^"]+)" alt="image">', html)
    assert [picture == shown[-1] for picture in shown] == [False] * 5 + [True]


def test_without_features_the_page_says_so(rng, training):
    assert "The training images nearest to each are not known." in page(rng, training, features=False)


def test_a_model_without_failures_has_a_page_too(rng, training):
    html = page(rng, training, targets=(0, 1), chances=(0.1, 0.9))
    assert "<h2>test: 0 called wrongly</h2>" in html
    assert "<p>None.</p>" in html
    assert "not known" not in html
