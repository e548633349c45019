"""The answer and the model as HTML. Names from the service are escaped wherever they stand."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from serving.client import Prediction
from serving.page.words import (
    FIGURES,
    MARKS,
    SPLITS,
    decision_in_words,
    familiarity_in_words,
    figure,
    refer_edges,
    released,
    scale_in_words,
    shown,
    tested,
    tone,
)

FOLDER = Path(__file__).parent


@cache
def _templates() -> Environment:
    loader = FileSystemLoader(FOLDER)
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def rendered(template: str, facts: Mapping[str, Any]) -> str:
    """A template of this folder with its facts in place; one that is missing is an error, and all text is escaped."""
    return _templates().get_template(template).render(**facts)


def answer_panel(prediction: Prediction, card: Mapping[str, Any], also: Mapping[str, str] | None = None) -> str:
    """The answer: decision, probability with threshold and refer band or with all classes, familiarity, model.

    Args:
        also: more facts to be named, in order.
    """
    model = f"{prediction.model.get('recipe')}, version {prediction.model.get('version')}"
    facts = {"Familiarity": familiarity_in_words(prediction.familiarity), "Answered by": model, **(also or {})}
    return rendered("answer.html.j2", drawn(prediction, card) | {"facts": list(facts.items())})


def drawn(prediction: Prediction, card: Mapping[str, Any]) -> dict[str, Any]:
    """What the drawing of an answer shows, with places in percent of the scale."""
    title, words = decision_in_words(prediction)
    said = {"tone": tone(prediction), "mark": MARKS[tone(prediction)], "title": title, "words": words}
    if prediction.threshold is None:
        return said | {"threshold": None, "classes": classes(prediction)}
    low, high = refer_edges(card, prediction.threshold)
    return said | {
        "threshold": f"{prediction.threshold:.3f}",
        "at_threshold": f"{prediction.threshold:.2%}",
        "probability": shown(prediction.probability),
        "at": f"{prediction.probability:.2%}",
        "positive": card["labels"]["positive"],
        "low": f"{low:.2%}",
        "high": f"{high:.2%}",
        "band": f"{high - low:.2%}" if low < high else "",
        "edges": f"{low:.3f} to {high:.3f}",
        "aloud": scale_in_words(prediction, card),
    }


def classes(prediction: Prediction) -> list[tuple[str, str, str]]:
    """Name, probability and width of the bar of every class, the most probable first."""
    rows = sorted(prediction.probabilities.items(), key=lambda row: -row[1])
    return [(label, shown(chance), f"{chance:.2%}") for label, chance in rows]


def about_panel(card: Mapping[str, Any]) -> str:
    """What the model is, for whom, and how it was tested."""
    columns = {name: title for name, title in FIGURES.items() if any(name in row for row in tested(card).values())}
    rows = [
        {"where": SPLITS.get(split, split), "films": films(found), "cells": [figure(found, name) for name in columns]}
        for split, found in tested(card).items()
    ]
    about = [
        (name.replace("_", " ").capitalize(), value)
        for name, value in (released(card).get("about") or {}).items()
        if value
    ]
    identity = {
        "Recipe": card["recipe"],
        "Version": card["version"],
        "SHA-256 of the model": card.get("sha256"),
        "Released": str(released(card).get("date") or "")[:10],
    }
    facts = {"tested": rows, "columns": list(columns.values()), "about": about}
    return rendered("about.html.j2", facts | {"identity": [row for row in identity.items() if row[1]]})


def films(found: Mapping[str, Any]) -> str:
    """How many films were tested, of how many patients."""
    count = "–" if found.get("n") is None else f"{found['n']:,}"
    return f"{count} of {found['patients']:,} patients" if found.get("patients") else count
