import json

import pandas as pd
import pytest

from pipelines.errors import DataError, LeakError
from pipelines.recipe import ChecksParams
from pipelines.validate import run

CHECKS = ChecksParams(minimum_side=64, minimum_spread=5.0, quarantine_share=0.1, class_share=0.2, shortcut_auc=0.75)


@pytest.fixture
def manifest(tmp_path, rng):
    """Write a clean manifest of 60 images of 30 patients, after a change."""

    def write(change=lambda table: None):
        table = pd.DataFrame({"image_id": [f"home/{n}.png" for n in range(60)]})
        table["patient_id"] = [f"p{n // 2}" for n in range(60)]
        table["label"] = ["NORMAL", "NORMAL", "PNEUMONIA", "PNEUMONIA"] * 15
        table["split"] = ["train"] * 36 + ["val"] * 12 + ["test"] * 12
        table["sha256"] = [f"{n:064x}" for n in range(60)]
        table = table.assign(
            site="home", view=None, sex=None, age=float("nan"), mode="L", bits=8, bytes=900, fault=None
        )
        table = table.assign(width=80, height=90, mean=rng.uniform(90, 110, 60), std=rng.uniform(40, 60, 60))
        change(table)
        path = tmp_path / "set" / "manifest.parquet"
        path.parent.mkdir(exist_ok=True)
        table.to_parquet(path)
        return path

    return write


def quarantine_of(checked):
    return pd.read_csv(checked / "quarantine.csv", index_col="image_id")["reason"].to_dict()


def test_clean_data_pass_with_data_docs(manifest, tmp_path, labels):
    run(manifest(), checked := tmp_path / "checks", labels, CHECKS)
    assert json.loads((checked / "validation.json").read_text())["passed"] is True
    assert quarantine_of(checked) == {}
    page = next((checked / "docs" / "validations").rglob("*.html"))
    assert "patient in one split (fail)" in page.read_text()
    assert page.relative_to(checked).as_posix() in (checked / "index.html").read_text()


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("fault", "a.png is damaged.", "a.png is damaged."),
        ("width", 63, "shortest side has 63 pixels, expected at least 64"),
        ("std", 1.0, "blank or nearly so"),
        ("sha256", f"{2:064x}", "a copy, bit for bit"),
    ],
)
def test_a_bad_image_is_put_aside_with_its_reason(manifest, tmp_path, labels, column, value, reason):
    def spoil(table):
        table[column] = table[column].astype(object)
        table.loc[3, column] = value
        if column == "fault":
            table.loc[3, ["width", "height", "mean", "std"]] = float("nan")

    run(manifest(spoil), checked := tmp_path / "checks", labels, CHECKS)
    aside = quarantine_of(checked)
    assert list(aside) == ["home/3.png"]
    assert reason in aside["home/3.png"]


def test_a_patient_in_two_splits_stops_the_run(manifest, tmp_path, labels):
    def leak(table):
        table.loc[59, "patient_id"] = "p0"

    with pytest.raises(LeakError, match=r"1 patient is in more than one split, e\.g\. patient 'p0' in test and train"):
        run(manifest(leak), tmp_path / "checks", labels, CHECKS)


def test_a_picture_in_two_splits_stops_the_run(manifest, tmp_path, labels):
    def leak(table):
        table.loc[[40, 54], "sha256"] = "f" * 64

    with pytest.raises(LeakError, match=r"1 picture is in more than one split, e\.g\. the picture 'home/40\.png'"):
        run(manifest(leak), tmp_path / "checks", labels, CHECKS)


def test_a_picture_with_two_labels_stops_the_run(manifest, tmp_path, labels):
    def contradict(table):
        table.loc[[1, 2], "sha256"] = "f" * 64

    with pytest.raises(DataError, match="'one label'"):
        run(manifest(contradict), tmp_path / "checks", labels, CHECKS)


def test_a_label_that_the_recipe_does_not_know_stops_the_run(manifest, tmp_path, labels):
    def rename(table):
        table.loc[7, "label"] = "COVID"

    with pytest.raises(DataError, match="'known label'.*'COVID'"):
        run(manifest(rename), tmp_path / "checks", labels, CHECKS)


def test_too_many_bad_images_stop_the_run(manifest, tmp_path, labels):
    def blank(table):
        table.loc[:6, "std"] = 0.0

    with pytest.raises(DataError, match=r"7 of 60 images had to be put aside.*Expected at most 6"):
        run(manifest(blank), tmp_path / "checks", labels, CHECKS)


def test_a_split_without_a_class_stops_the_run(manifest, tmp_path, labels):
    def one_sided(table):
        table.loc[(table["split"] == "val"), "label"] = "NORMAL"

    with pytest.raises(DataError, match="val has no PNEUMONIA"):
        run(manifest(one_sided), tmp_path / "checks", labels, CHECKS)


def test_a_failed_run_keeps_the_last_good_results_and_its_own_beside_them(manifest, tmp_path, labels):
    run(manifest(), checked := tmp_path / "checks", labels, CHECKS)

    def leak(table):
        table.loc[59, "patient_id"] = "p0"

    with pytest.raises(LeakError, match=r"checks\.failed/index\.html"):
        run(manifest(leak), checked, labels, CHECKS)
    assert json.loads((checked / "validation.json").read_text())["passed"] is True
    failed = json.loads((tmp_path / "checks.failed" / "validation.json").read_text())
    assert failed["passed"] is False
    assert "more than one split" in failed["fault"]


def test_a_property_that_gives_the_label_away_is_measured(manifest, tmp_path, labels):
    def shortcut(table):
        table.loc[table["label"] == "PNEUMONIA", "bytes"] = 1000

    run(manifest(shortcut), checked := tmp_path / "checks", labels, CHECKS)
    auc = json.loads((checked / "shortcuts.json").read_text())["auc"]
    assert auc["bytes"] == 1.0
    assert auc["width"] == 0.5
