"""Each network through the stages, on pictures that take a second to draw: from files to the model in a bento."""

import functools
import itertools

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipelines import evaluate, ingest, package, preprocess, train, validate
from pipelines.recipe_file import read_yaml, write_yaml
from pipelines.stage import command
from serving.runtime import Predictor
from serving.serve import released_bento, unpacked
from tests.chain.conftest import ROOT
from tests.pipelines.models.tiny import SIZES, TRANSFER

TORCH = {"filters": [4, 6], "dense": 12, "dropout": 0.2, "dense_dropout": 0.2, "mean": 0.13, "deviation": 0.31}
MODELS = {**SIZES, "torch-cnn": TORCH}
LITTLE = {"epochs": 2, "batch": 16, "patience": 2, "warm_up": 0.0}
HEAD = {"epochs": 2, "learning_rate": 1e-3, "views": 2}
EACH = 40
LARGE = (*TRANSFER, "vgg16", "vgg19")


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Folders `dim` and `bright`, in which each picture is noise, and in the bright ones a patch stands out."""
    folder, rng = tmp_path_factory.mktemp("raw"), np.random.default_rng(0)
    for label, count in itertools.product(("dim", "bright"), range(EACH)):
        pixels = rng.integers(0, 120, (64, 64), dtype=np.uint8)
        pixels[8:30, 10:34] += 100 * (label == "bright")
        (folder / "images" / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / "images" / label / f"{count}.png")
    return folder


@pytest.fixture(scope="module")
def prepared(raw, tmp_path_factory):
    """What comes before training, once for each size of image: `prepared(name)` is a folder with recipe and data."""

    @functools.cache
    def once(side, channels):
        folder = tmp_path_factory.mktemp(f"side{side}")
        write_yaml(recipe_of("small-cnn", side, channels), folder / "folder.yaml")
        files = {"raw": raw, "manifest": folder / "manifest.parquet"}
        cache, checks = folder / "cache", folder / "checks"
        stage(ingest, folder, **files, cache=cache)
        stage(validate, folder, **files, production=ROOT / "data" / "production", checked=checks)
        put_aside = checks / "quarantine.csv"
        stage(preprocess, folder, **files, quarantine=put_aside, cache=cache, prepared=folder / "prepared")
        return folder

    return lambda name: once(*size_of(name))


def size_of(name):
    return (64, 3) if name in TRANSFER else (28, 1)


def recipe_of(name, side, channels):
    """The recipe for a folder of images, with this network and few steps; nothing is asked of its figures."""
    recipe = read_yaml(ROOT / "recipes" / "folder.yaml")
    recipe["labels"] = {"names": ["dim", "bright"], "positive": "bright"}
    recipe["image"] |= {"height": side, "width": side, "channels": channels}
    recipe["model"] = {"name": name, **MODELS[name]}
    recipe["train"] |= {**LITTLE, "head": HEAD if name in TRANSFER else None}
    recipe["gates"][0]["minimum"] = 0.0
    return recipe


def stage(module, folder, **paths):
    """Run a stage as its command line does."""
    options = [part for name, path in paths.items() for part in (f"--{name}", str(path))]
    command(module.run, ["--recipe", str(folder / "folder.yaml"), *options])


def marked(name):
    return pytest.param(name, marks=pytest.mark.large if name in LARGE else pytest.mark.slow)


@pytest.mark.parametrize("name", [marked(model) for model in MODELS])
def test_a_network_goes_from_prepared_images_into_a_bento_that_answers(name, prepared, raw, tmp_path):
    if name == "torch-cnn":
        pytest.importorskip("torch", reason="PyTorch is not installed (make torch)")
    data = prepared(name)
    write_yaml(recipe_of(name, *size_of(name)), tmp_path / "folder.yaml")
    model, evaluation, release = (tmp_path / part for part in ("model", "evaluation", "release"))
    splits, checks = data / "prepared", data / "checks"
    manifest = data / "manifest.parquet"
    stage(train, tmp_path, manifest=manifest, prepared=splits, trained=model, cache=tmp_path / "cache")
    files = {"raw": raw, "manifest": manifest, "prepared": splits, "model": model}
    files |= {"shortcuts": checks / "shortcuts.json", "production": ROOT / "data" / "production"}
    stage(evaluate, tmp_path, **files, evaluation=evaluation)
    done = {
        "manifest": manifest,
        "prepared": splits,
        "model": model,
        "evaluation": evaluation,
        "profile": checks / "profile.json",
    }
    stage(package, tmp_path, **done, release=release)

    bento = unpacked(released_bento(release, "folder"), tmp_path / "store")
    predictor = Predictor(next(bento.rglob("model.onnx")).parent)
    table = pd.read_parquet(evaluation / "probabilities.parquet")
    for row in table.itertuples():
        said = predictor.predict((raw / row.path).read_bytes())
        assert said["probabilities"]["bright"] == pytest.approx(row.probability_bright, abs=1e-6)
    assert set(table["label"]) == {"dim", "bright"}
