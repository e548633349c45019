from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.images import read
from pipelines.recipe import ServeParams
from pipelines.reference_films import reference_films


@pytest.fixture
def prepared(tmp_path, rng):
    """Twenty validation films in colour, one label after the other."""
    folder = tmp_path / "prepared"
    folder.mkdir()
    np.save(folder / "val.npy", rng.integers(0, 256, (20, 8, 9, 3), dtype=np.uint8))
    pd.DataFrame({"label": ["big cat", "dog"] * 10}).to_parquet(folder / "val.parquet")
    return folder


def serve(reference):
    return ServeParams(refuse=0.01, layout=True, precision="float32", reference=reference)


def test_validation_films_are_written_pixel_for_pixel(prepared, tmp_path):
    found = reference_films(prepared, ("big cat", "dog"), serve("validation"), tmp_path)
    assert [(film["name"], film["label"]) for film in found[:2]] == [
        ("film-big-cat-1.png", "big cat"),
        ("film-big-cat-2.png", "big cat"),
    ]
    assert [film["label"] for film in found] == ["big cat"] * 10 + ["dog"] * 10
    pixels = np.load(prepared / "val.npy")
    assert np.array_equal(np.asarray(read(Path(found[1]["path"]))), pixels[2])
    assert np.array_equal(np.asarray(read(Path(found[10]["path"]))), pixels[1])


def test_phantoms_need_no_film_of_anybody(tmp_path):
    found = reference_films(tmp_path / "nowhere", ("A", "B"), serve("phantom"), tmp_path)
    assert [(film["name"], film["label"]) for film in found] == [
        ("phantom-normal.png", "NORMAL"),
        ("phantom-pneumonia.png", "PNEUMONIA"),
    ]
    assert [np.asarray(read(Path(film["path"]))).shape for film in found] == [(320, 320), (320, 320)]
