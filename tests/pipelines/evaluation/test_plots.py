import io

import numpy as np
import pytest
from PIL import Image

from pipelines.evaluation.plots import plots
from pipelines.plot_style import COLOURS, as_png
from pipelines.recipe import LabelParams

TEN = LabelParams(names=tuple("abcdefghij"), positive=None)
NAMES = ["roc", "precision_recall", "calibration", "confusion"]


@pytest.fixture
def two(measured, labels):
    """Figures of a test set and of a second hospital, two classes."""
    card, tables, metrics = measured(labels, test=np.arange(60) % 2, external=np.arange(30) % 2)
    return plots(tables, metrics, card), metrics


def texts(figure):
    """All that is written on a figure."""
    return [text.get_text() for text in figure.findobj(lambda part: hasattr(part, "get_text"))]


def saved(figure):
    return np.asarray(Image.open(io.BytesIO(as_png(figure))).convert("L"))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_is_written_is_cut_off(two, name):
    """Writing that runs out of the picture leaves ink on its edge."""
    picture = saved(two[0][name])
    assert min(picture.shape) > 300
    assert picture.std() > 5
    edges = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    assert edges.min() == 255


@pytest.mark.parametrize("name", NAMES)
def test_ten_classes_have_room_as_well(measured, name):
    card, tables, metrics = measured(TEN, test=np.arange(100) % 10)
    picture = saved(plots(tables, metrics, card)[name])
    assert np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]]).min() == 255


def test_the_area_and_its_interval_stand_beside_the_curve(two):
    figures, metrics = two
    for split, found in metrics.items():
        end = {"test": f"{found['auc_high']:.3f}", "external": "0.9998"}[split]  # which must not read as 1
        expected = f"{split}: AUC {found['auc']:.3f} ({found['auc_low']:.3f} to {end})"
        assert expected in texts(figures["roc"])


def test_the_operating_point_is_marked_where_the_figures_say(two):
    figures, metrics = two
    dots = {
        tuple(line.get_xydata()[0])
        for line in figures["roc"].axes[0].lines
        if line.get_marker() == "o" and len(line.get_xydata()) == 1
    }
    assert dots == {(1 - found["specificity"], found["sensitivity"]) for found in metrics.values()}


def test_the_confusion_shows_every_count(two):
    figures, metrics = two
    shown = " ".join(texts(figures["confusion"])).split()
    for found in metrics.values():
        for count in np.ravel(found["confusion"]):
            assert str(count) in shown


def test_a_split_of_one_class_is_named_and_has_no_curve(measured, labels):
    card, tables, metrics = measured(labels, test=np.arange(20) % 2, external=np.zeros(5, dtype=int))
    figures = plots(tables, metrics, card)
    assert "external: one class alone" in texts(figures["roc"])
    assert "external: one class alone" in texts(figures["precision_recall"])


def test_no_two_classes_look_alike(measured):
    card, tables, metrics = measured(TEN, test=np.arange(100) % 10)
    lines = plots(tables, metrics, card)["roc"].axes[0].lines
    looks = [
        (line.get_color(), str(line.get_linestyle()), line._dash_pattern)
        for line in lines
        if line.get_label()[0] in "abcdefghij"
    ]
    assert len(looks) == len(set(map(str, looks))) == 10 > len(COLOURS)
