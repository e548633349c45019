import hashlib

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipelines.errors import DataError
from pipelines.ingest import examine, run
from pipelines.recipe import SplitParams

SPLIT = SplitParams(train=0.6, val=0.2, test=0.2, seed=1)


def test_a_manifest_has_one_row_for_each_image(films, source, labels, tmp_path):
    run(films, tmp_path / "manifest.parquet", source, None, labels, SPLIT)
    table = pd.read_parquet(tmp_path / "manifest.parquet")
    assert len(table) == table["image_id"].nunique() == 40
    assert set(table["split"]) <= {"train", "val", "test"}
    row = table.iloc[7]
    assert row["sha256"] == hashlib.sha256((films / row["path"]).read_bytes()).hexdigest()
    assert (row["width"], row["height"], row["mode"], row["bits"]) == (72, 80, "L", 8)
    pixels = np.asarray(Image.open(films / row["path"]), dtype=float)
    assert row["mean"] == pytest.approx(pixels.mean(), rel=1e-5)
    assert row["std"] == pytest.approx(pixels.std(), rel=1e-5)


def test_the_second_hospital_is_for_evaluation_alone(films, source, labels, tmp_path):
    (films / "away").mkdir()
    for label in labels.names:
        folder = films / "away" / label
        folder.mkdir()
        Image.new("L", (70, 70), len(label)).save(folder / "p0-0.png")
    away = source.model_copy(update={"folder": "away", "site": "away"})
    run(films, tmp_path / "manifest.parquet", source, away, labels, SPLIT)
    table = pd.read_parquet(tmp_path / "manifest.parquet")
    assert list(table.loc[table["site"] == "away", "split"]) == ["external", "external"]
    assert "external" not in set(table.loc[table["site"] == "home", "split"])


def test_a_damaged_file_has_a_fault_and_keeps_its_row(tmp_path):
    file = tmp_path / "cut.png"
    Image.effect_noise((64, 64), 50).save(file)
    file.write_bytes(file.read_bytes()[:1000])
    found = examine(file)
    assert "truncated" in found["fault"]
    assert found["bytes"] == 1000
    assert "mean" not in found


def test_a_missing_data_set_is_one_sentence_and_leaves_the_old_manifest(tmp_path, source, labels):
    manifest = tmp_path / "manifest.parquet"
    manifest.write_text("what was there")
    with pytest.raises(DataError, match="There is no data set"):
        run(tmp_path / "nowhere", manifest, source, None, labels, SPLIT)
    assert manifest.read_text() == "what was there"
