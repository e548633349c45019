import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipelines.errors import DataError, LeakError
from pipelines.recipe_checks import ChecksParams
from pipelines.recipe_file import load
from pipelines.validate import run

DEMO = load(Path(__file__).resolve().parents[2] / "recipes" / "demo.yaml")


def checks(**changes):
    values = DEMO.checks.model_dump(mode="json") | {"quarantine_share": 0.1, **changes}
    return ChecksParams.model_validate_json(json.dumps(values))


@pytest.fixture
def manifest(tmp_path, rng):
    """Write a clean manifest of 60 images of 30 patients, after a change."""

    def write(change=lambda table: None):
        table = pd.DataFrame({"image_id": [f"home/{n}.png" for n in range(60)]})
        table["path"] = table["twin"] = table["image_id"]
        table["patient_id"] = [f"p{n // 2}" for n in range(60)]
        table["label"] = table["folder_label"] = ["NORMAL", "NORMAL", "PNEUMONIA", "PNEUMONIA"] * 15
        table["split"] = ["train"] * 36 + ["val"] * 10 + ["test"] * 14
        table["sha256"] = [f"{n:064x}" for n in range(60)]
        words = {
            "form": "picture",
            "site": "home",
            "view": "PA",
            "mode": "L",
            "fault": None,
            "reason": None,
            "sex": None,
        }
        table = table.assign(**words, index=0, bits=8, bytes=900, age=float("nan"), width=80, height=90)
        table = table.assign(mean=rng.uniform(90, 110, 60), std=rng.uniform(40, 60, 60), border=rng.uniform(0, 9, 60))
        table = table.assign(dark=0.1, bright=0.01, colour=0.0)
        picture = np.arange(256)
        table["thumbnail"] = [
            np.clip(picture + rng.normal(0, 9, 256), 0, 255).astype(np.uint8).tobytes() for _ in range(60)
        ]
        change(table)
        path = tmp_path / "set" / "manifest.parquet"
        path.parent.mkdir(exist_ok=True)
        table.to_parquet(path)
        return path

    return write


@pytest.fixture
def judged(manifest, tmp_path, labels):
    """Validate a manifest after a change: the folder with the results."""

    def judge(change=lambda table: None, **severities):
        checked = tmp_path / "checks"
        rules = checks(**severities)
        sections = ("demo", labels, DEMO.split, DEMO.image, rules)
        run(tmp_path, manifest(change), tmp_path / "production", checked, *sections)
        return checked

    return judge


def quarantine_of(checked):
    return pd.read_csv(checked / "quarantine.csv", index_col="image_id")["reason"].to_dict()


def change(row, **cells):
    def spoil(table):
        for column, cell in cells.items():
            table.loc[row, column] = cell

    return spoil


def test_clean_data_pass_with_a_page_and_data_docs(judged):
    checked = judged()
    assert json.loads((checked / "validation.json").read_text())["passed"] is True
    assert quarantine_of(checked) == {}
    page = (checked / "index.html").read_text()
    assert "<b>Passed.</b>" in page
    docs = re.findall(r'href="(docs/[^"]+)"', page)
    assert len(docs) == 2
    texts = [(checked / file).read_text() for file in docs]
    assert any("patient across splits (fail)" in text for text in texts)
    assert all("https://" not in tag for text in texts for tag in re.findall(r"<(?:script|link)[^>]*>", text))


def test_the_profile_describes_the_training_images(judged):
    profile = json.loads((judged() / "profile.json").read_text())
    assert profile["images"] == 36
    assert "mean" in profile["statistics"]


def test_an_image_that_breaks_two_checks_is_put_aside_once_with_both_reasons(judged):
    aside = quarantine_of(judged(change(3, width=60, std=1.0)))
    assert list(aside) == ["home/3.png"]
    assert "shorter side has 60 pixels, expected at least 64" in aside["home/3.png"]
    assert "blank or nearly so" in aside["home/3.png"]


def test_the_page_shows_the_film_that_was_put_aside(judged, tmp_path):
    (tmp_path / "home").mkdir()
    Image.effect_noise((80, 90), 40).save(tmp_path / "home" / "3.png")
    page = (judged(change([3, 4], std=1.0)) / "index.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 1
    assert page.count("no picture") == 1


def test_a_patient_in_two_splits_stops_the_run(judged):
    sentence = r"1 patient is in more than one split \(patient across splits\), e\.g\. patient 'p0' in test and train"
    with pytest.raises(LeakError, match=sentence):
        judged(change(59, patient_id="p0"))


def test_a_picture_in_two_splits_stops_the_run(judged):
    with pytest.raises(LeakError, match=r"1 picture is in more than one split .*e\.g\. the picture 'home/40\.png'"):
        judged(change([40, 54], sha256="f" * 64, twin="home/40.png"))


def test_a_label_that_the_recipe_does_not_know_stops_the_run(judged):
    with pytest.raises(DataError, match=r"1 image failed the check 'unexpected label', e\.g\. home/7\.png: .* COVID"):
        judged(change(7, label="COVID", folder_label=None))


def test_too_many_bad_images_stop_the_run(judged):
    with pytest.raises(DataError, match=r"7 of 60 images had to be put aside.*Expected at most 6"):
        judged(change(range(7), std=0.0))


def test_a_split_without_a_class_stops_the_run(judged):
    def one_sided(table):
        table.loc[(table["split"] == "val"), ["label", "folder_label"]] = "NORMAL"

    with pytest.raises(DataError, match=r"failed the check 'class empty' at PNEUMONIA in val"):
        judged(one_sided)


def test_a_failed_run_keeps_the_last_good_results_and_its_own_beside_them(judged, tmp_path):
    checked = judged()
    with pytest.raises(LeakError, match=r"checks\.failed/index\.html"):
        judged(change(59, patient_id="p0"))
    assert json.loads((checked / "validation.json").read_text())["passed"] is True
    failed = json.loads((tmp_path / "checks.failed" / "validation.json").read_text())
    assert failed["passed"] is False
    assert "more than one split" in failed["fault"]
    assert "<b>Stopped.</b>" in (tmp_path / "checks.failed" / "index.html").read_text()


def test_a_set_of_which_nothing_is_left_stops_with_a_sentence(judged):
    with pytest.raises(DataError, match="60 of 60 images had to be put aside"):
        judged(lambda table: table.update(pd.DataFrame({"std": [0.0] * 60})))


def test_a_property_that_gives_the_label_away_is_measured_and_said(judged):
    def shortcut(table):
        table.loc[table["label"] == "PNEUMONIA", "bytes"] = 1000

    checked = judged(shortcut, shortcut={"severity": "warn", "limit": 0.9})
    audit = json.loads((checked / "shortcuts.json").read_text())
    (size,) = [entry for entry in audit["properties"] if entry["name"] == "file size"]
    assert size["auc"] > 0.95
    assert (audit["limit"], audit["severity"]) == (0.9, "warn")
    assert "guess from file size" in (checked / "index.html").read_text()


def test_a_shortcut_that_shall_fail_stops_the_run(judged):
    def shortcut(table):
        table.loc[table["label"] == "PNEUMONIA", "bytes"] = 1000

    with pytest.raises(DataError, match="failed the check 'shortcut' at guess from"):
        judged(shortcut, shortcut={"severity": "fail", "limit": 0.9})


def test_a_damaged_profile_of_production_is_one_sentence(judged, tmp_path):
    (tmp_path / "production").mkdir()
    (tmp_path / "production" / "demo.json").write_text("{}")
    with pytest.raises(DataError, match=r"demo\.json is no profile of training data"):
        judged()
