"""What the user touches: the strip of thumbnails and the viewer, each a component with HTML, CSS and JavaScript."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from serving.client import NOTICE, Example, Window
from serving.page.films import Film, Tray
from serving.page.pictures import THUMB, address
from serving.page.words import MARKS, badge, sentence, tone

FOLDER = Path(__file__).parent


@cache
def _component(name: str) -> Callable[..., Any]:
    html, css, js = ((FOLDER / f"{name}.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js"))
    mounted: Callable[..., Any] = st.components.v2.component(f"filmgate_{name}", html=html, css=css, js=js)
    return mounted


def strip(key: str, items: Sequence[Mapping[str, Any]], label: str, said: str, choose: Callable[[str], None]) -> None:
    """Thumbnails in a row, each a button.

    Args:
        items: `key`, `title`, `thumb` (an address or None), `badge`, `mark`, `tone`, `words` (read aloud), `chosen`.
        label: what the row holds, for those who hear it.
        said: what is read aloud when it changes.
        choose: called with the key of the item that the user chose.
    """

    def on_chosen() -> None:
        if picked := st.session_state[key].get("chosen"):
            choose(picked)

    data = {"items": list(items), "label": label, "said": said}
    _component("strip")(key=key, data=data, on_chosen_change=on_chosen)


def film_items(tray: Tray) -> list[dict[str, Any]]:
    """The films of a tray as items of a strip."""
    return [_film_item(tray, film) for film in tray.films.values()]


def _film_item(tray: Tray, film: Film) -> dict[str, Any]:
    kind = tone(film.answer) if film.answer else film.state
    words = f"Film {tray.number(film)} of {len(tray.films)}, {film.name}: {sentence(film)}"
    return {
        "key": film.key,
        "title": f"{tray.number(film)}. {film.name}",
        "thumb": film.pictures.thumb if film.pictures else None,
        "badge": badge(film),
        "mark": MARKS.get(kind, "…"),
        "tone": kind,
        "words": words,
        "chosen": tray.chosen == film.key,
    }


def example_items(examples: Sequence[Example]) -> list[dict[str, Any]]:
    """Examples as items of a strip; what their label is shows on the page, so that the model can be held against it."""
    return [
        {
            "key": str(place),
            "title": example.name,
            "thumb": _thumb(example.film),
            "badge": f"Labelled {example.label}",
            "mark": "",
            "tone": "example",
            "words": f"Try the example {example.name}, whose label is {example.label}",
            "chosen": False,
        }
        for place, example in enumerate(examples)
    ]


@cache
def _thumb(film: bytes) -> str:
    return address(film, THUMB)


def viewer(film: Film, number: int) -> None:
    """The film beside the film with its heatmap; zoom and pan, opacity, and the window of a DICOM film."""
    seen = film.pictures
    if seen is None:
        return

    def on_window() -> None:
        wished = st.session_state["viewer"].get("window") or {}
        if wished.get("key") == film.key:
            film.wish = None if wished["reset"] else (float(wished["center"]), float(wished["width"]))

    data = {
        "key": film.key,
        "name": f"Film {number}",
        "film": seen.film,
        "heat": seen.heat,
        "window": _numbers(seen.window),
        "rising": seen.rising,
        "drawing": film.to_be_drawn,
        "notice": NOTICE,
    }
    _component("viewer")(key="viewer", data=data, on_window_change=on_window)


def _numbers(window: Window | None) -> dict[str, float] | None:
    return None if window is None else vars(window)
