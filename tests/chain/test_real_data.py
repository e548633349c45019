"""Every kind of source on real data: ingest, validate and preprocess, with the images counted at each step."""

import json
import os
import secrets
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.ingest import run as ingest
from pipelines.preprocess import run as preprocess
from pipelines.recipe_file import load
from pipelines.recipe_sources import DicomSource, FolderSource
from pipelines.validate import run as validate

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("FILMGATE_REAL_DATA", "nowhere"))
KERMANY = r"^(person\d+_(?:bacteria|virus)|(?:NORMAL2-)?IM-\d+)"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.real,
    pytest.mark.skipif(not DATA.is_dir(), reason="FILMGATE_REAL_DATA names no folder with real data"),
]


def recipe(name, **sections):
    return load(ROOT / "recipes" / f"{name}.yaml").model_copy(update=sections)


def class_folders(patient=None, splits=None, **changes):
    common = {"folder": ".", "site": "here", "patient": patient, "classes": None, "splits": splits, "table": None}
    return FolderSource(kind="folder", **common).model_copy(update=changes)


@pytest.fixture
def through(tmp_path):
    """Take a data set through three stages: the folder with what they made."""

    def run(raw, task, name):
        folder = tmp_path / "out"
        manifest, checked, cache = folder / "manifest.parquet", folder / "checks", tmp_path / "cache"
        ingest(raw, manifest, cache, task.source, task.external, task.labels, task.split, task.alike)
        validate(
            raw, manifest, tmp_path / "production", checked, name, task.labels, task.split, task.image, task.checks
        )
        aside = checked / "quarantine.csv"
        preprocess(raw, manifest, aside, cache, folder / "prepared", task.labels, task.image, task.augment)
        return folder

    return run


def counted(folder):
    """Images of the manifest, of the quarantine, and of each prepared split, the arrays as long as their tables."""
    counts = {"manifest": len(pd.read_parquet(folder / "manifest.parquet"))}
    counts["aside"] = len(pd.read_csv(folder / "checks" / "quarantine.csv"))
    for split in ("train", "val", "test", "external"):
        if (file := folder / "prepared" / f"{split}.npy").is_file():
            counts[split] = len(np.load(file, mmap_mode="r"))
            assert counts[split] == len(pd.read_parquet(file.with_suffix(".parquet")))
    return counts


def breaches(folder):
    rows = json.loads((folder / "checks" / "validation.json").read_text())["checks"]
    return {row["check"]: row["breaches"] for row in rows if row["breaches"]}


def test_mnist_from_its_four_files(through):
    folder = through(DATA / "mnist", recipe("mnist"), "mnist")
    counts = counted(folder)
    assert (counts["manifest"], counts["test"]) == (70_000, 10_000)
    assert counts["train"] + counts["val"] == 60_000
    assert 5_500 < counts["val"] < 6_500
    rows = pd.read_parquet(folder / "prepared" / "test.parquet")
    assert rows["label"].value_counts()["1"] == 1135


def test_cifar_from_class_folders(through, tmp_path):
    with tarfile.open(DATA / "cifar10" / "cifar10-images.tar.gz") as archive:
        archive.extractall(tmp_path / "raw", filter="data")
    source = class_folders(splits={"train": "train", "test": "test"})
    counts = counted(through(tmp_path / "raw", recipe("cifar10", source=source), "cifar10"))
    assert (counts["manifest"], counts["test"], counts["train"] + counts["val"]) == (60_000, 10_000, 50_000)


def test_pneumoniamnist_from_its_archive(through):
    counts = counted(through(DATA / "pneumoniamnist", recipe("pneumoniamnist"), "pneumoniamnist"))
    assert counts == {"manifest": 5_232, "aside": 0, "train": 4_084, "val": 524, "test": 624}


def test_the_repeats_published_in_kermanys_films_are_found(through):
    task = recipe("chest-xray", source=class_folders(KERMANY), external=None)
    folder = through(DATA / "chest_xray_224", task, "chest-xray")
    counts = counted(folder)
    assert (counts["manifest"], counts["aside"]) == (5_232, 26)
    assert counts["train"] + counts["val"] + counts["test"] == 5_206
    assert breaches(folder)["duplicate"] == 26
    repeats = pd.read_parquet(folder / "manifest.parquet").groupby("sha256").size()
    assert (repeats > 1).sum() == 24


def test_the_shortcut_of_kermanys_films_as_published_is_flagged(through):
    task = recipe("chest-xray", source=class_folders(KERMANY), external=None)
    folder = through(DATA / "chest_xray_original", task, "chest-xray")
    assert counted(folder)["manifest"] == 200
    assert breaches(folder)["shortcut"] >= 2
    audit = json.loads((folder / "checks" / "shortcuts.json").read_text())
    auc = {entry["name"]: entry["auc"] for entry in audit["properties"]}
    assert auc["file size"] > audit["limit"]
    assert auc["dimensions"] > audit["limit"]


def test_nih_films_through_their_table(through):
    task = recipe("chest-xray")
    source = task.external.model_copy(update={"folder": "."})
    folder = through(DATA / "nih_external", task.model_copy(update={"source": source, "external": None}), "nih")
    manifest = pd.read_parquet(folder / "manifest.parquet")
    assert counted(folder)["manifest"] == 124
    assert set(manifest["view"]) == {"AP", "PA"}
    assert manifest["label"].equals(manifest["folder_label"])
    assert manifest["age"].between(0, 100).all()


def test_dicom_films_through_their_headers(tmp_path):
    raw, task = tmp_path / "raw", recipe("chest-xray", external=None)
    shutil.copytree(DATA / "dicom", raw / "train" / "NORMAL", copy_function=shutil.copyfile)
    (raw / "salt.txt").write_text(secrets.token_hex(32))
    source = DicomSource(
        kind="dicom", folder=".", site="nema", salt="salt.txt", classes=None, splits={"train": "train"}, table=None
    )
    split = task.split.model_copy(update={"keep": ("train", "val", "test")})
    manifest, cache, aside = tmp_path / "manifest.parquet", tmp_path / "cache", tmp_path / "aside.csv"
    ingest(raw, manifest, cache, source, None, task.labels, split, task.alike)
    rows = pd.read_parquet(manifest).set_index("path")
    plain, wavelet, leg = (rows.loc[f"train/NORMAL/{name}.dcm"] for name in ("RG1_UNCR", "RG1_J2KR", "RG3_UNCR"))
    assert (plain["width"], plain["height"], plain["bits"], plain["view"]) == (1841, 1955, 15, "PA")
    assert plain["twin"] == wavelet["twin"]
    assert plain["patient_id"] == wavelet["patient_id"] != "9RG1"
    assert leg["fault"] == "unsupported"
    aside.write_text("image_id\n")
    preprocess(raw, manifest, aside, cache, tmp_path / "prepared", task.labels, task.image, task.augment)
    films = np.load(tmp_path / "prepared" / "train.npy")
    assert len(films) == 2
    assert np.abs(films[0].astype(int) - films[1]).max() <= 1
    assert b"9RG1" not in manifest.read_bytes()
