import hashlib
import json
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from pipelines import shortcuts
from pipelines.recipe import ImageParams, LabelParams
from pipelines.shortcuts import PROPERTIES, audit, removed
from pipelines.statistics import measure

TWO = LabelParams(names=("NORMAL", "PNEUMONIA"), positive="PNEUMONIA")
THREE = LabelParams(names=("ant", "bee", "cat"), positive=None)
PLAIN = ImageParams(height=64, width=64, channels=1, levels="stored", fit="pad")


def films(n=240, labels=TWO, per_patient=2):
    """Rows of a manifest in which nothing has to do with the label, and some properties are the same in all images."""
    rng = np.random.default_rng(0)
    patient = np.arange(n) // per_patient
    columns = {
        "image_id": [f"home/{number}.png" for number in range(n)],
        "patient_id": patient.astype(str),
        "label": np.array(labels.names)[rng.integers(0, len(labels.names), n)[patient]],
        "site": "home",
        "view": "PA",
        "sex": rng.choice(["F", "M"], n)[patient],
        "age": rng.integers(1, 90, n)[patient].astype(float),
        "bytes": rng.integers(5000, 9000, n),
        "width": 256,
        "height": 224,
        "mode": "L",
        "bits": 8,
        "mean": rng.normal(120, 20, n),
        "std": 50.0,
        "dark": 0.1,
        "bright": 0.0,
        "border": rng.normal(60, 9, n),
        "colour": 0.0,
    }
    return pd.DataFrame(columns)


def restless(images):
    """The same, with nothing the same in all images."""
    rng, n = np.random.default_rng(1), len(images)
    words = {name: rng.choice(["a", "b", "c"], n) for name in ("mode", "site", "view")}
    names = ("width", "height", "bits", "std", "dark", "bright", "colour")
    return images.assign(**words, **{name: rng.integers(10, 90, n) for name in names})


def ill(images):
    return (images["label"] == "PNEUMONIA").to_numpy()


def entries(found):
    return {entry["name"]: entry for entry in found["properties"]}


def test_where_nothing_tells_every_guess_is_near_one_half():
    found = audit(restless(films(1600)), TWO, PLAIN)
    assert set(entries(found)) == set(PROPERTIES)
    for entry in [*found["properties"], *found["together"].values()]:
        assert entry["auc"] == pytest.approx(0.5, abs=0.06), entry


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("file size", lambda images: {"bytes": images["bytes"] + 4000 * ill(images)}),
        ("dimensions", lambda images: {"width": 200 + 20 * ill(images), "height": 200 + 20 * ill(images)}),
        ("aspect", lambda images: {"height": images["width"] * np.where(ill(images), 0.9, 0.8)}),
        ("mode", lambda images: {"mode": np.where(ill(images), "RGB", "L")}),
        ("bit depth", lambda images: {"bits": np.where(ill(images), 16, 8)}),
        ("mean brightness", lambda images: {"mean": images["mean"] + 60 * ill(images)}),
        ("spread of brightness", lambda images: {"std": images["std"] - 5 * ill(images)}),
        ("border content", lambda images: {"dark": images["dark"] + 0.3 * ill(images)}),
        ("colour", lambda images: {"colour": 5.0 * ill(images)}),
        ("site", lambda images: {"site": np.where(ill(images), "away", "home")}),
        ("view", lambda images: {"view": np.where(ill(images), "AP", "PA")}),
        ("sex", lambda images: {"sex": np.where(ill(images), "F", "M")}),
        ("age", lambda images: {"age": images["age"] + 100 * ill(images)}),
    ],
)
def test_a_property_that_gives_the_label_away_is_found(name, change):
    images = films()
    found = audit(images.assign(**change(images)), TWO, PLAIN)
    assert entries(found)[name]["auc"] > 0.95
    assert found["together"]["removed" if removed(name, PLAIN) else "left"]["auc"] > 0.95
    assert found["together"]["left" if removed(name, PLAIN) else "removed"]["auc"] < 0.95 or name == "aspect"
    assert found["together"]["all"]["auc"] > 0.95


def test_the_best_guess_stands_first_and_is_the_strongest():
    images = films()
    found = audit(images.assign(age=images["age"] + 100 * ill(images)), TWO, PLAIN)
    areas = [entry["auc"] for entry in found["properties"]]
    assert areas == sorted(areas, reverse=True)
    assert found["strongest"] == {"name": "age", "auc": areas[0]}


def test_what_is_missing_tells_as_well():
    images = films()
    found = audit(images.assign(age=images["age"].mask(ill(images)), sex=images["sex"].mask(ill(images))), TWO, PLAIN)
    assert entries(found)["age"]["auc"] > 0.95
    assert entries(found)["sex"]["auc"] > 0.95


def test_a_middle_that_tells_is_found_though_neither_end_does():
    images = films(800)
    spread = np.where(ill(images), 1, -1) * 20 + np.abs(images["mean"] - 120)
    side = np.random.default_rng(1).choice([-1, 1], 800)
    assert roc_auc_score(ill(images), side * spread) < 0.6
    assert entries(audit(images.assign(mean=side * spread), TWO, PLAIN))["mean brightness"]["auc"] > 0.8


def test_a_patient_is_never_guessed_from_his_own_films():
    images = films(800, per_patient=10)
    images["mean"] = images["patient_id"].astype(int) * 3.0 + np.random.default_rng(1).normal(0, 0.1, 800)
    by_image = audit(images.assign(patient_id=images["image_id"]), TWO, PLAIN)
    by_patient = audit(images, TWO, PLAIN)
    assert entries(by_image)["mean brightness"]["auc"] > 0.75
    assert entries(by_patient)["mean brightness"]["auc"] < 0.65


def test_patients_of_two_hospitals_may_bear_the_same_name():
    images = films(40, per_patient=1).assign(patient_id="1", site=[f"h{number}" for number in range(40)])
    assert audit(images, TWO, PLAIN)["patients"] == 40


def test_more_classes_are_told_apart_each_against_the_rest():
    images = films(600, THREE)
    found = audit(images.assign(bytes=5000 + 100 * images["label"].map({"ant": 1, "bee": 2, "cat": 1})), THREE, PLAIN)
    assert found["classes"] == ["ant", "bee", "cat"]
    assert entries(found)["file size"]["auc"] == pytest.approx((1 + 0.75 + 0.75) / 3, abs=0.03)


def test_several_films_of_a_patient_do_not_count_as_several_patients():
    images = films(120, per_patient=1)
    images["mean"] += 15 * ill(images)
    copies = pd.concat([images.assign(image_id=images["image_id"] + str(copy)) for copy in range(5)])
    once, often = (entries(audit(rows, TWO, PLAIN))["mean brightness"] for rows in (images, copies))
    width = once["auc_high"] - once["auc_low"]
    assert often["auc_high"] - often["auc_low"] == pytest.approx(width, rel=0.35)
    assert (
        entries(audit(copies.assign(patient_id=copies["image_id"]), TWO, PLAIN))["mean brightness"]["auc_low"]
        > (often["auc_low"])
    )


def test_every_interval_holds_its_area_and_says_something_of_a_perfect_guess():
    images = restless(films(100)).assign(colour=0)
    found = audit(images.assign(bits=np.where(ill(images), 16, 8)), TWO, PLAIN)
    measured = [entry for entry in found["properties"] if entry["note"] is None]
    assert {entry["name"] for entry in measured} == {*PROPERTIES} - {"colour"}
    assert all(0 <= entry["auc_low"] <= entry["auc"] <= entry["auc_high"] <= 1 for entry in measured)
    assert entries(found)["bit depth"]["auc"] == 1
    assert 0.8 < entries(found)["bit depth"]["auc_low"] < 1


def test_what_is_the_same_in_all_or_known_of_none_is_said_in_a_word():
    found = entries(audit(films().drop(columns="colour").assign(sex=None, age=np.nan), TWO, PLAIN))
    notes = {name: found[name]["note"] for name in ("mode", "site", "sex", "age", "colour", "file size")}
    assert notes == {
        "mode": "constant",
        "site": "constant",
        "sex": "absent",
        "age": "absent",
        "colour": "absent",
        "file size": None,
    }
    assert (found["mode"]["auc"], found["mode"]["auc_low"]) == (0.5, None)


def test_few_patients_make_fewer_folds_and_a_note():
    images = films(30, per_patient=1)
    few = pd.concat([images[~ill(images)], images[ill(images)].head(3)])
    found = audit(few, TWO, PLAIN)
    assert found["folds"] == 3
    assert found["note"] == "3 folds instead of 5, as there are only 3 patients of PNEUMONIA."


def test_a_class_of_one_patient_is_left_out_with_a_note():
    images = films(90, THREE)
    few = images[images["label"] != "cat"]
    few = pd.concat([few, images[images["label"] == "cat"].head(2)])
    found = audit(few, THREE, PLAIN)
    assert found["classes"] == ["ant", "bee"]
    assert found["note"] == "Left out for want of patients: cat."
    assert found["images"] == len(few) - 2


@pytest.mark.parametrize("keep", [0, 1, 2], ids=["no image", "one image", "one class"])
def test_where_there_is_nothing_to_tell_apart_nothing_is_measured(keep):
    images = films(40)
    images = images[~ill(images)].iloc[: [0, 1, 40][keep]]
    found = json.loads(json.dumps(audit(images, TWO, PLAIN), allow_nan=False))
    assert "fewer than two patients of" in found["note"]
    assert found["strongest"] is None
    assert {entry["auc"] for entry in [*found["properties"], *found["together"].values()]} == {None}


def test_two_patients_of_a_class_are_measured_and_do_not_crash():
    images = films(8, per_patient=2).assign(label=["NORMAL"] * 4 + ["PNEUMONIA"] * 4)
    found = audit(images, TWO, PLAIN)
    assert found["folds"] == 2
    assert all(entry["auc"] is not None for entry in found["properties"])
    assert found["together"]["all"]["auc_low"] < 0.5 < found["together"]["all"]["auc_high"]


def test_the_order_of_the_rows_does_not_matter():
    images = films(300)
    assert audit(images, TWO, PLAIN) == audit(images.sample(frac=1, random_state=1), TWO, PLAIN)


def test_of_many_images_a_part_is_looked_at_that_their_names_choose(monkeypatch):
    monkeypatch.setattr(shortcuts, "MOST_IMAGES", 100)
    images = films(300)
    found = audit(images, TWO, PLAIN)
    assert (found["images"], found["of"]) == (100, 300)
    chosen = sorted(images["image_id"], key=lambda name: hashlib.sha256(name.encode()).digest())[:100]
    assert found == {**audit(images[images["image_id"].isin(chosen)], TWO, PLAIN), "of": 300}


def test_hundreds_of_sites_are_no_obstacle():
    images = films(800, per_patient=1)
    found = audit(images.assign(site=[f"clinic {number % 400}" for number in range(800)]), TWO, PLAIN)
    assert entries(found)["site"]["auc"] == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize(
    ("change", "name", "expected"),
    [
        ({}, "file size", True),
        ({}, "mean brightness", False),
        ({"levels": "equalized"}, "mean brightness", True),
        ({"levels": "equalized"}, "border content", False),
        ({}, "colour", True),
        ({"channels": 3}, "colour", False),
        ({}, "aspect", False),
        ({"fit": "stretch"}, "aspect", False),
        ({"fit": "crop"}, "aspect", True),
        ({}, "age", False),
    ],
)
def test_preparation_decides_what_is_left(change, name, expected):
    assert removed(name, PLAIN.model_copy(update=change)) is expected
    found = audit(films(40), TWO, PLAIN.model_copy(update=change))
    assert entries(found)[name]["removed"] is expected
    column = PROPERTIES[name][0]
    assert (column in found["together"]["removed"]["columns"]) is expected
    assert (column in found["together"]["left"]["columns"]) is not expected


@pytest.mark.real
def test_file_size_and_dimensions_give_away_the_class_of_real_films():
    if not (root := os.environ.get("FILMGATE_REAL_DATA")):
        pytest.skip("FILMGATE_REAL_DATA names no folder with real films")
    rows = [described(file) for file in sorted(Path(root, "chest_xray_original").rglob("*.jpeg"))]
    found = audit(pd.DataFrame(rows), TWO, PLAIN)
    assert entries(found)["file size"]["auc_low"] > 0.9
    assert entries(found)["dimensions"]["auc_low"] > 0.75
    assert found["together"]["removed"]["auc"] > 0.97


def described(file):
    """What ingestion says of a film."""
    patient = re.match(r"person\d+_(?:bacteria|virus)|(?:NORMAL2-)?IM-\d+", file.name)[0]
    with Image.open(file) as picture:
        pixels, _ = measure(picture)
        size = {"width": picture.width, "height": picture.height, "mode": picture.mode, "bits": 8}
    about = {"image_id": file.name, "label": file.parent.name, "patient_id": patient, "site": "guangzhou"}
    unknown = {"view": None, "sex": None, "age": float("nan")}
    names = ("mean", "std", "dark", "bright", "border", "colour")
    return about | unknown | size | {"bytes": file.stat().st_size} | {name: getattr(pixels, name) for name in names}
