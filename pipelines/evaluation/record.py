"""The record of an evaluation, as one pure function of the table of predictions and the terms agreed before it.

The evaluate stage writes what it gives, and `python -m pipelines.recompute` computes it again, to the last digit.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from pydantic import ConfigDict

from pipelines.evaluation.comparison import compare, has_champion
from pipelines.evaluation.gates import check
from pipelines.evaluation.metrics import measure
from pipelines.evaluation.rules import Rules, loosened
from pipelines.recipe import LabelParams
from pipelines.section import Section


class Champion(Section):
    """The model in production, as far as a comparison needs it.

    Args:
        version: the first twelve digits of its SHA-256.
        threshold: of its card.
        images: digest of the images it was released on, by split (`digest_of`); empty where its record does not say.
        trained_on: how many images of each split of today it was trained on.
        rules: `gates`, `threshold` and `margin` in force when it was released, as far as its release says.
    """

    version: str
    threshold: float | None
    images: dict[str, str]
    trained_on: dict[str, int]
    rules: dict[str, Any]


class Terms(Section):
    """All that the record follows from beside the table of predictions.

    Args:
        recipe: its name.
        version: of the model.
        threshold: from the model's card, chosen on validation.
        prevalences: at which predictive values are stated.
        rules: gates, threshold rule and margin, as they stood when the model was evaluated.
        model: figures of the file itself, by metric; a latency is measured only where a gate asks for it.
        champion: the model in production, or null.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", protected_namespaces=())

    recipe: str
    version: str
    labels: LabelParams
    threshold: float | None
    prevalences: tuple[float, ...]
    rules: Rules
    model: dict[str, float]
    champion: Champion | None


@dataclass(frozen=True)
class Record:
    """What metrics.json, gates.json and comparison.json hold."""

    metrics: dict[str, Any]
    gates: dict[str, Any]
    comparison: dict[str, Any]

    def files(self) -> dict[str, Any]:
        """The content by the name of its file."""
        return {"metrics.json": self.metrics, "gates.json": self.gates, "comparison.json": self.comparison}


def record(table: pd.DataFrame, terms: Terms) -> Record:
    """All figures, gates and comparisons of an evaluation.

    Args:
        table: of predictions, of all splits that are measured.
    """
    tables = {str(split): part.reset_index(drop=True) for split, part in table.groupby("split", sort=False)}
    metrics = {split: _measured(part, terms) for split, part in tables.items()}
    comparison = _comparison(tables, terms)
    rules, before = terms.rules, terms.champion.rules if terms.champion else {}
    verdict = check(metrics, rules.gates, terms.model, comparison)
    gates = {
        **verdict,
        "rules": {"sha256": rules.sha256, **rules.model_dump(mode="json", include={"threshold", "margin"})},
        "loosened": loosened(rules, before),
        "model": terms.model,
    }
    return Record(metrics, gates, comparison)


def digest_of(table: pd.DataFrame) -> str | None:
    """SHA-256 over the sorted SHA-256 and labels of the images: equal for the same set of films in any order."""
    if "sha256" not in table or table["sha256"].isna().any():
        return None
    lines = sorted(f"{sha256} {label}" for sha256, label in zip(table["sha256"], table["label"], strict=True))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _measured(table: pd.DataFrame, terms: Terms) -> dict[str, Any]:
    return {**measure(table, terms.labels, terms.threshold, terms.prevalences), "images_sha256": digest_of(table)}


def _comparison(tables: Mapping[str, pd.DataFrame], terms: Terms) -> dict[str, Any]:
    champion = terms.champion
    if champion is None:
        return {"champion": None, "splits": {}}
    found: dict[str, Any] = {}
    for split, table in tables.items():
        if has_champion(table):
            then, now = champion.images.get(split), digest_of(table)
            found[split] = {
                "n": len(table),
                "images_sha256": now,
                "same_images": None if then is None or now is None else then == now,
                "trained_on": champion.trained_on.get(split, 0),
                **compare(table, terms.labels, terms.threshold, champion.model_dump(), terms.rules.margin),
            }
    return {"champion": {"version": champion.version, "threshold": champion.threshold}, "splits": found}
