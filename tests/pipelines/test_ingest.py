import hashlib
import os
import time

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipelines import ingest
from pipelines.errors import DataError
from pipelines.recipe import AlikeParams, SplitParams

SPLIT = SplitParams(keep=(), train=60, val=20, test=20, seed=1)
ALIKE = AlikeParams(hash_bits=4, correlation=0.995)


@pytest.fixture
def manifest_of(films, source, labels, tmp_path):
    """Ingest the films: the manifest as a table."""

    def make(external=None, file="manifest.parquet"):
        ingest.run(films, tmp_path / file, tmp_path / "cache", source, external, labels, SPLIT, ALIKE)
        return pd.read_parquet(tmp_path / file)

    return make


@pytest.fixture
def decoded(monkeypatch):
    """Paths of the images that were decoded, in the order in which they were."""
    paths = []

    def note(raw, places, examine=ingest.examine):
        paths.extend(place.path for place in places)
        return examine(raw, places)

    monkeypatch.setattr(ingest, "examine", note)
    return paths


def settle(folder, seconds=60):
    """Let the files look as old as they would be a minute after they were written."""
    for file in folder.rglob("*.png"):
        os.utime(file, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns - seconds * 10**9))


def test_a_manifest_has_one_row_for_each_image(films, manifest_of):
    table = manifest_of()
    assert len(table) == table["image_id"].nunique() == 40
    assert set(table["split"]) <= {"train", "val", "test"}
    row = table.iloc[7]
    assert row["sha256"] == hashlib.sha256((films / row["path"]).read_bytes()).hexdigest()
    assert (row["width"], row["height"], row["mode"], row["bits"], row["form"]) == (72, 80, "L", 8, "picture")
    pixels = np.asarray(Image.open(films / row["path"]), dtype=float)
    assert row["mean"] == pytest.approx(pixels.mean())
    assert list(table["twin"]) == list(table["image_id"])


def test_the_second_hospital_is_for_evaluation_alone(films, source, labels, manifest_of):
    for label in labels.names:
        folder = films / "away" / label
        folder.mkdir(parents=True)
        Image.new("L", (70, 70), len(label)).save(folder / "p0-0.png")
    table = manifest_of(source.model_copy(update={"folder": "away", "site": "away"}))
    assert list(table.loc[table["site"] == "away", "split"]) == ["external", "external"]
    assert "external" not in set(table.loc[table["site"] == "home", "split"])


def test_a_damaged_file_has_a_fault_and_keeps_its_row(films, manifest_of):
    file = films / "home" / "NORMAL" / "p0-0.png"
    file.write_bytes(file.read_bytes()[:1000])
    row = manifest_of().iloc[0]
    assert (row["fault"], row["bytes"]) == ("truncated", 1000)
    assert "damaged or truncated" in row["reason"]
    assert pd.isna(row["mean"])


def test_a_missing_data_set_is_one_sentence_and_leaves_the_old_manifest(tmp_path, source, labels):
    manifest = tmp_path / "manifest.parquet"
    manifest.write_text("what was there")
    with pytest.raises(DataError, match="There is no data set"):
        ingest.run(tmp_path / "nowhere", manifest, tmp_path, source, None, labels, SPLIT, ALIKE)
    assert manifest.read_text() == "what was there"


def test_what_did_not_change_is_not_decoded_again(films, manifest_of, decoded):
    first = manifest_of()
    assert len(decoded) == 40
    decoded.clear()
    Image.effect_noise((64, 64), 50).save(films / "home" / "NORMAL" / "p99-0.png")
    second = manifest_of()
    assert decoded == ["home/NORMAL/p99-0.png"]
    known = second[second["image_id"].isin(first["image_id"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(known, first)


def test_a_manifest_is_the_same_bytes_with_and_without_a_memory(manifest_of, tmp_path):
    manifest_of(file="first.parquet")
    manifest_of(file="second.parquet")
    assert (tmp_path / "first.parquet").read_bytes() == (tmp_path / "second.parquet").read_bytes()


def test_a_file_that_moved_is_known_by_its_content(films, manifest_of, decoded):
    manifest_of()
    decoded.clear()
    (films / "home" / "NORMAL").rename(films / "home" / "away")
    (films / "home" / "away").rename(films / "home" / "NORMAL")
    (films / "home" / "NORMAL" / "p0-0.png").rename(films / "home" / "NORMAL" / "p0-9.png")
    table = manifest_of()
    assert decoded == []
    assert "home/NORMAL/p0-9.png" in set(table["image_id"])


def test_an_edit_that_keeps_size_and_modification_time_is_seen(films, manifest_of, decoded, monkeypatch):
    file = films / "home" / "NORMAL" / "p0-0.png"
    settle(films)
    monkeypatch.setattr(
        time, "time_ns", lambda now=time.time_ns: now() + 60 * 10**9
    )  # a minute later: files have settled
    manifest_of()
    decoded.clear()
    assert len(manifest_of()) == 40
    assert decoded == []
    status, content = file.stat(), bytearray(file.read_bytes())
    content[-20] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)
    row = manifest_of().iloc[0]
    assert decoded == ["home/NORMAL/p0-0.png"]
    assert row["sha256"] == hashlib.sha256(content).hexdigest()


def test_a_file_as_young_as_its_record_is_hashed_again(films, manifest_of, monkeypatch):
    hashed = []

    def note(file, digest=ingest.known.digest):
        hashed.append(file.name)
        return digest(file)

    monkeypatch.setattr(ingest.known, "digest", note)
    manifest_of()
    manifest_of()
    assert len(hashed) == 40


def test_a_memory_of_other_code_or_that_is_damaged_is_not_used(manifest_of, decoded, tmp_path, monkeypatch):
    manifest_of()
    monkeypatch.setattr(ingest, "version_of", lambda modules: "another")
    manifest_of()
    assert len(decoded) == 80
    (tmp_path / "cache" / "examined.parquet").write_text("no table")
    manifest_of()
    assert len(decoded) == 120


def test_a_cluster_gives_the_same_bytes(manifest_of, tmp_path, monkeypatch, cluster_address):
    manifest_of(file="here.parquet")
    (tmp_path / "cache" / "examined.parquet").unlink()
    monkeypatch.setenv("FILMGATE_DASK", cluster_address)
    manifest_of(file="there.parquet")
    assert (tmp_path / "here.parquet").read_bytes() == (tmp_path / "there.parquet").read_bytes()


def test_an_image_that_no_kept_split_holds_stops_the_run(films, source, labels, tmp_path):
    keep = SPLIT.model_copy(update={"keep": ("train", "val", "test")})
    with pytest.raises(DataError, match=r"40 images have no split, e\.g\. home/NORMAL/p0-0\.png"):
        ingest.run(films, tmp_path / "manifest.parquet", tmp_path / "cache", source, None, labels, keep, ALIKE)
