"""A hospital of numbers alone: films as the log has them, and what a release would keep of its test."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from pipelines.monitoring.reference import Reference
from pipelines.recipe_monitor import MonitorParams

MODEL, OTHER, TRAVELS = "a" * 64, "b" * 64, "f" * 64
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)  # a Wednesday
MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
RULES = MonitorParams(window=7, films=50, false_alarms=0.05, least_distance=0.1, retrain=True, retrains_per_week=1)
LABELS = ("NORMAL", "PNEUMONIA")
CLEAN = {"dark": 0.02, "bright": 0.01, "border": 40.0, "colour": 0.0, "width": 160.0, "height": 160.0, "bits": 8.0}


def films_of(rng, patients, ill=0.3, darker=0.0):
    """Films of new patients, one to three each: log columns, `patient`, and `truth`."""
    owner = np.repeat(np.arange(patients), rng.integers(1, 4, patients))
    sick = (rng.random(patients) < ill)[owner]
    own, alone = rng.normal(size=patients)[owner], rng.normal(size=len(owner))
    probability = 1 / (1 + np.exp(-(4.0 * (sick - 0.5) + 0.8 * own + 0.6 * alone)))
    frame = {
        "patient": owner,
        "truth": np.where(sick, "PNEUMONIA", "NORMAL"),
        "mean": 120 + 8 * own + 6 * rng.normal(size=len(owner)) - darker,
        "std": 50 + 4 * rng.normal(size=len(owner)),
        "bytes": np.round(9000 + 300 * rng.normal(size=len(owner))),
        **CLEAN,
        "probability": probability,
        "familiarity": rng.random(len(owner)),
        "decision": np.where(probability >= 0.5, "positive", "negative"),
        "mode": "L",
        "label": np.where(probability >= 0.5, "PNEUMONIA", "NORMAL"),
    }
    return pd.DataFrame(frame)


def reference_of(rng, patients=220, **changes):
    """What the release keeps, its truth under `label`."""
    films = films_of(rng, patients)
    films = films.assign(label=films["truth"]).drop(columns="truth")
    facts = {
        "recipe": "demo",
        "version": MODEL[:12],
        "sha256": MODEL,
        "labels": LABELS,
        "positive": "PNEUMONIA",
        "threshold": 0.5,
        "reference_films": frozenset({TRAVELS}),
    }
    return Reference(films, **(facts | changes))


def dated(films, start, days=7, prefix="film"):
    """The films spread over some days, each with a digest of its own."""
    step = timedelta(days=days) / max(len(films), 1)
    times = [start + number * step for number in range(len(films))]
    digests = [f"{prefix}-{number}" for number in range(len(films))]
    return films.assign(time=pd.to_datetime(times, utc=True), sha256=digests)


def lines_of(films, model=MODEL, call="/predict"):
    """Dated films as the service logs them."""
    rows = films.drop(columns=["patient", "truth"], errors="ignore").to_dict("records")
    return [
        json.dumps(
            {
                **row,
                "time": row["time"].isoformat(timespec="milliseconds"),
                "request_id": f"r{number}",
                "call": call,
                "model_recipe": "demo",
                "model_version": model[:12],
                "model_sha256": model,
            }
        )
        for number, row in enumerate(rows)
    ]


@pytest.fixture
def reference(rng):
    return reference_of(rng)
