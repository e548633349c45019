import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import auc, roc_auc_score

from pipelines.evaluation.dvc_plots import CALIBRATION, CONFUSION, ROC, roc, write_dvc_plots
from pipelines.recipe import LabelParams

BINARY = LabelParams(names=("NORMAL", "PNEUMONIA"), positive="PNEUMONIA")
THREE = LabelParams(names=("a", "b", "c"), positive=None)


@pytest.fixture
def written(measured, tmp_path):
    """The CSV files that are written for imagined answers: `written(BINARY, targets) -> table, {name: frame}`."""

    def write(labels, targets):
        card, tables, _ = measured(labels, test=np.asarray(targets))
        threshold = card.threshold if labels.positive else None
        write_dvc_plots(tmp_path, tables, labels, threshold)
        return tables["test"], {file.stem: pd.read_csv(file) for file in tmp_path.glob("*.csv")}

    return write


def test_three_files_have_the_columns_that_are_drawn(written):
    _, files = written(BINARY, np.arange(60) % 2)
    assert {name: list(frame) for name, frame in files.items()} == {
        "roc": ROC,
        "calibration": CALIBRATION,
        "confusion": CONFUSION,
    }


def test_the_area_below_the_curve_is_the_auc(written):
    table, files = written(BINARY, np.arange(200) % 2)
    area = auc(files["roc"]["false_positive_rate"], files["roc"]["sensitivity"])
    assert area == pytest.approx(roc_auc_score(table["target"] == 1, table["probability"]), abs=1e-5)


def test_the_curve_of_many_classes_is_their_mean(written):
    table, files = written(THREE, np.arange(300) % 3)
    area = auc(files["roc"]["false_positive_rate"], files["roc"]["sensitivity"])
    each = [roc_auc_score(table["target"] == index, table[f"probability_{name}"]) for index, name in enumerate("abc")]
    assert area == pytest.approx(np.mean(each), abs=5e-3)


def test_the_curve_of_many_classes_stays_small(written):
    _, files = written(THREE, np.arange(3000) % 3)
    assert len(files["roc"]) < 110


@pytest.mark.parametrize("labels", [BINARY, THREE])
def test_curves_rise_from_corner_to_corner(written, labels):
    _, files = written(labels, np.arange(90) % len(labels.names))
    curve = files["roc"].to_numpy()
    assert curve[0].tolist() == [0, 0]
    assert curve[-1].tolist() == [1, 1]
    assert (np.diff(curve, axis=0) >= 0).all()


def test_corners_alone_are_written(measured):
    _, tables, _ = measured(BINARY, test=np.arange(400) % 2)
    table = tables["test"].assign(probability_PNEUMONIA=lambda rows: rows["target"] * 0.5 + rows.index / 1000)
    assert len(roc(table, BINARY)) < 20


def test_every_image_stands_in_the_confusion_under_its_labels(written):
    table, files = written(BINARY, np.arange(60) % 2)
    called = np.where(table["probability"] >= 0.5, "PNEUMONIA", "NORMAL")
    assert files["confusion"]["actual"].tolist() == table["label"].tolist()
    assert files["confusion"]["predicted"].tolist() == called.tolist()


def test_calibration_counts_every_image_once(written):
    _, files = written(BINARY, np.arange(60) % 2)
    assert files["calibration"]["n"].sum() == 60
    assert files["calibration"]["observed"].between(0, 1).all()


def test_without_one_of_the_classes_there_is_no_curve(measured, tmp_path):
    _, tables, _ = measured(BINARY, test=np.zeros(20, dtype=int))
    write_dvc_plots(tmp_path, tables, BINARY, 0.5)
    assert (tmp_path / "roc.csv").read_text() == "false_positive_rate,sensitivity\n"


def test_the_second_hospital_is_not_mixed_in(measured, tmp_path):
    _, tables, _ = measured(BINARY, test=np.arange(20) % 2, external=np.arange(50) % 2)
    write_dvc_plots(tmp_path, tables, BINARY, 0.5)
    assert len(pd.read_csv(tmp_path / "confusion.csv")) == 20
