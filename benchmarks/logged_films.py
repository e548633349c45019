"""Films of two hospitals as a log has them: drawn, a network trained on them, answered by the service's own code."""

import io
import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from pipelines import ingest, preprocess, train
from pipelines.card import read_card
from pipelines.evaluation.predictions import tabulate
from pipelines.inference import Classifier
from pipelines.manifest import read_manifest
from pipelines.monitoring import FILE
from pipelines.monitoring.log import COLUMNS, parsed
from pipelines.monitoring.reference import reference_rows, write_reference
from pipelines.prepared import read_split
from pipelines.recipe_file import load
from pipelines.sources.phantom.draw import draw
from pipelines.usual import COLUMNS as STATISTICS
from serving.prediction_log import line
from serving.runtime import Predictor

ROOT = Path(__file__).resolve().parent.parent
PREVALENCE, DOUBLED = 0.25, 0.5
POOL, HILLTOP, EPOCHS = 3000, 500, 8


def prepare(folder: Path) -> None:
    """Draw, train and answer, as far as it is not done yet."""
    recipe = load(ROOT / "recipes" / "demo.yaml")
    if not (folder / "release" / FILE).is_file():
        train_on(folder, recipe)
    if not (folder / "inverted.parquet").is_file():
        changes = {"seed": 99, "pneumonia": DOUBLED, "patients": POOL, "external_patients": HILLTOP}
        (folder / "pool").mkdir()
        draw(folder / "pool", recipe.phantom.model_copy(update=changes), 2)
        for name, invert, patients in (("riverside", False, None), ("hilltop", False, None), ("riverside", True, 500)):
            rows = answered(folder, name, invert, patients)
            rows.to_parquet(folder / f"{'inverted' if invert else name}.parquet")


def train_on(folder: Path, recipe) -> None:
    """The demo's network on films at the prevalence, for few epochs, and what its release would keep."""
    raw, manifest, cache_ = folder / "raw", folder / "manifest.parquet", folder / "cache"
    raw.mkdir(parents=True)
    draw(raw, recipe.phantom.model_copy(update={"pneumonia": PREVALENCE, "external_patients": 1}), 2)
    ingest.run(raw, manifest, cache_, recipe.source, None, recipe.labels, recipe.split, recipe.alike)
    aside = folder / "quarantine.csv"
    pd.DataFrame(columns=["image_id", "check", "reason"]).to_csv(aside, index=False)
    preprocess.run(raw, manifest, aside, cache_, folder / "prepared", recipe.labels, recipe.image, recipe.augment)
    short = recipe.train.model_copy(update={"epochs": EPOCHS})
    sections = (recipe.labels, recipe.image, recipe.augment, recipe.model, short, recipe.threshold, recipe.serve)
    train.run(manifest, folder / "prepared", folder / "model", cache_, "demo", recipe.title, *sections)
    pixels, rows = read_split(folder / "prepared", "test")
    images, card = read_manifest(manifest), read_card(folder / "model" / "card.json")
    described = rows.merge(images[["image_id", *STATISTICS]], on="image_id", how="left")
    table = tabulate(described, Classifier(folder / "model").answer_all(pixels), card)
    (folder / "release").mkdir()
    write_reference(reference_rows(table, images), card, [], folder / "release" / FILE)


def answered(folder: Path, site: str, invert: bool, patients: int | None) -> pd.DataFrame:
    """Films of a hospital of the pool as the service answers and logs them."""
    table = pd.read_csv(folder / "pool" / site / "films.csv")
    if patients:
        table = table[table["patient"].isin(table["patient"].drop_duplicates()[:patients])]
    files = [folder / "pool" / site / name for name in table["file"]]
    rows = answers(folder / "model", files, invert)
    return rows.assign(owner=table["patient"].to_numpy(), ill=(table["label"] == "PNEUMONIA").to_numpy())


def answers(model: Path, files: Sequence[Path], invert: bool = False) -> pd.DataFrame:
    """One row of the log for each film, in order."""
    with ProcessPoolExecutor(2) as pool:
        parts = pool.map(partial(_answers, model, invert), np.array_split(np.array(files, dtype=object), 2))
        return pd.concat(parts, ignore_index=True)


def _answers(model: Path, invert: bool, files: Sequence[Path]) -> pd.DataFrame:
    predictor, rows = Predictor(model, threads=1), []
    for file in files:
        film = predictor.read(_inverted(file) if invert else file.read_bytes())
        said = predictor.answer(film, predictor.run(film.frame[None]))
        rows.append(parsed(json.dumps(line(datetime.now(UTC), "", "/predict", film, said))))
    return pd.DataFrame(rows)[list(COLUMNS)]


def _inverted(file: Path) -> bytes:
    """The negative of a film, in the same kind of file."""
    content = io.BytesIO()
    with Image.open(file) as picture:
        ImageOps.invert(picture.convert("L")).save(content, picture.format)
    return content.getvalue()
