"""The promise of the guard, at small scale: other pictures are refused, and films as those of training are not.

The network is left out: limits and layout are learnt from films, and the distance of features is made nothing.
"""

import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageOps

from benchmarks.strangers import noise, page, screenshot
from pipelines.export.layout import bake_layout, layout_of
from pipelines.guard import judge
from pipelines.images import prepare, read
from pipelines.inference import Graph
from pipelines.recipe import ImageParams, PhantomParams
from pipelines.sources.phantom.draw import draw
from pipelines.statistics import measure
from pipelines.usual import beyond_limits, limits_of, reference
from tests.pipelines.conftest import BINARY, brightness_model, card_of

REAL = Path(os.environ.get("FILMGATE_REAL_DATA", "nowhere"))
REFUSE = 0.005
IMAGE = ImageParams(levels="equalized", height=64, width=64, channels=1, fit="pad")
CHANCES = np.array([0.1, 0.9])


class Guarded:
    """A guard learnt from films; a third of them are for validation."""

    def __init__(self, folder, films):
        self.path = folder / "model.onnx"
        brightness_model(self.path)
        rows, frames = pd.DataFrame([asdict(measure(film)[0]) for film in films]), framed(films)
        check = np.arange(len(films)) % 3 == 0
        bake_layout(self.path, layout_of(frames[~check]), 1e9)
        limits = limits_of(rows[~check])
        distances = Graph(self.path).answer_all(frames[check]).distance
        found = reference(distances, beyond_limits(limits, rows[check]), REFUSE)
        self.card = card_of(BINARY, limits=limits, familiarity=found)

    def refused(self, pictures):
        """The share that is refused."""
        distances = Graph(self.path).answer_all(framed(pictures)).distance
        told = zip(distances, pictures, strict=True)
        verdicts = [judge(self.card, CHANCES, float(away), measure(picture)[0]) for away, picture in told]
        assert all((verdict.reason is None) == (verdict.decision != "refused") for verdict in verdicts)
        return np.mean([verdict.decision == "refused" for verdict in verdicts])


def framed(pictures):
    return np.stack([prepare(picture, IMAGE) for picture in pictures])


def strangers(rng):
    """Pictures that the layout alone knows as strange; even noise takes the features, too."""
    return [*noise(rng, ("blocks",), 20), *(page(rng, 2) for _ in range(10)), screenshot(rng)]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A guard learnt from phantom films, and films of other patients of the same hospital."""
    folder = tmp_path_factory.mktemp("phantom")
    draw(folder / "films", PhantomParams(seed=3, size=64, patients=420, external_patients=1, films=1, pneumonia=0.5), 1)
    films = [read(file) for file in sorted((folder / "films").rglob("riverside/[NP]*/*.png"))]
    order = np.random.default_rng(0).permutation(len(films))
    films = [films[place] for place in order]
    return Guarded(folder, films[:330]), films[330:]


def test_films_of_other_patients_are_answered(drawn):
    guard, others = drawn
    assert len(others) > 50
    assert guard.refused(others) <= 0.1  # 220 films teach 256 grey levels little, and 110 set the limit


def test_pictures_that_are_no_films_are_refused(drawn, rng):
    assert drawn[0].refused(strangers(rng)) >= 0.95


@pytest.mark.parametrize("change", [ImageOps.invert, lambda film: film.rotate(90)], ids=["inverted", "turned"])
def test_films_that_are_turned_or_inverted_are_refused(drawn, change):
    guard, others = drawn
    assert guard.refused([change(film.convert("L")) for film in others]) >= 0.95


@pytest.mark.real
@pytest.mark.skipif(not (REAL / "chest_xray_224").is_dir(), reason="FILMGATE_REAL_DATA names no folder with real films")
def test_real_films_are_answered_and_photographs_refused(tmp_path, rng):
    skimage = pytest.importorskip("skimage")
    files = sorted((REAL / "chest_xray_224").rglob("*.jp*g"))
    films = [read(files[place]) for place in rng.choice(len(files), 1300, replace=False)]
    guard, others = Guarded(tmp_path, films[:1000]), films[1000:]
    photographs = [
        Image.open(file).convert("L")
        for name in ("astronaut", "camera", "coffee", "chelsea", "rocket", "motorcycle_left", "grass", "brick", "page")
        for file in (Path(skimage.__file__).parent / "data").glob(f"{name}.*")
    ]
    assert guard.refused(others) <= 0.02
    assert guard.refused([*photographs, *strangers(rng)]) >= 0.95
    assert guard.refused([ImageOps.invert(film.convert("L")) for film in others]) >= 0.95
