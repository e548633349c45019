"""The reference recipe on real films, small enough for two cores: they must go through, however well."""

import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest

FILMS = Path(os.environ.get("FILMGATE_REAL_DATA", "nowhere"))
QUICK = (
    "image.height=96",
    "image.width=96",
    "train.head.epochs=2",
    "train.head.views=1",
    "train.epochs=1",
    "gates.0.minimum=0.0",
    "gates.1.minimum=0.0",
    "gates.2.minimum=0.0",
    "gates.3.maximum=1.0",
)


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.skipif(not FILMS.is_dir(), reason="FILMGATE_REAL_DATA names no folder with real films")
def test_real_films_of_two_hospitals_go_through_the_chain(new_project):
    project = new_project()
    raw = project.root / "data" / "raw" / "chest-xray"
    raw.mkdir(parents=True)
    for source, name in (("chest_xray_original", "guangzhou"), ("nih_external", "nih")):
        shutil.copytree(FILMS / source, raw / name, copy_function=shutil.copyfile)
    overrides = [word for assignment in QUICK for word in ("--set", assignment)]
    status, output = project.retrain(*overrides, recipe="chest-xray")
    assert status == 0, output
    (data,) = project.root.glob(".filmgate/runs/chest-xray-*/data/chest-xray")
    manifest = pd.read_parquet(data / "manifest.parquet")
    assert manifest["fault"].isna().all()
    home = manifest[manifest["site"] == "guangzhou"]
    assert home["patient_id"].str.fullmatch(r"person\d+_(bacteria|virus)|(NORMAL2-)?IM-\d+").all()
    metrics = json.loads((data / "evaluation" / "metrics.json").read_text())
    assert metrics["external"]["n"] == len(manifest[manifest["site"] == "nih"]) > 0
    assert not (project.root / "data" / "chest-xray").exists()
