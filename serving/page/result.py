"""The answer on one sheet: an HTML file that needs nothing else and prints on one A4 page.

Neither the name of the film's file nor anything about a patient is in it; what is burnt into the picture itself stays.
"""

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

from serving.client import NOTICE, Window
from serving.page.films import Film
from serving.page.panels import drawn, rendered
from serving.page.pictures import BESIDE, blended
from serving.page.words import familiarity_in_words, flags, moment

MOST_ROWS = 10  # classes that find room on the sheet
MOST_FLAGS = 3


def sheet(film: Film, card: Mapping[str, Any], zone: tzinfo | None) -> str:
    """The sheet of a film that was answered.

    Args:
        card: of the model that the service runs.
        zone: time zone in which the moment of the answer is written.
    """
    if film.answer is None or film.at is None:
        raise ValueError("The film was not answered. A sheet is made of an answer.")
    seen = film.pictures
    facts = drawn(film.answer, card)
    facts |= {
        "classes": facts.get("classes", [])[:MOST_ROWS],
        "task": card["title"],
        "film": seen.film if seen else None,
        "heat": blended(seen.film, seen.heat) if seen else None,
        "opacity": f"{BESIDE:.0%}",
        "flags": flags(card)[:MOST_FLAGS] if film.version == card["version"] else [],
        "facts": _facts(film, zone),
        "notice": film.answer.notice or NOTICE,
    }
    return rendered("result.html.j2", facts)


def file_name(film: Film) -> str:
    """A name for the sheet that tells when it was answered, and nothing about the film."""
    return f"filmgate-result-{film.at:%Y%m%d-%H%M%S}.html"


def window_in_words(window: Window) -> str:
    """In which window a film is shown."""
    return f"centre {window.center:g}, width {window.width:g}"


def _facts(film: Film, zone: tzinfo | None) -> list[tuple[str, str]]:
    if film.answer is None or film.at is None:
        return []
    model = film.answer.model
    facts = {
        "Answered": moment(film.at, zone),
        "Model": f"{model.get('recipe')}, version {model.get('version')}",
        "SHA-256 of the model": model.get("sha256", ""),
        "Familiarity": familiarity_in_words(film.answer.familiarity),
    }
    if film.pictures and film.pictures.window:
        facts["Window shown"] = window_in_words(film.pictures.window) + "; it changes what is seen, not the probability"
    if film.label is not None:
        facts["Label of this example"] = film.label
    return list(facts.items())
