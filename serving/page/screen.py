"""How the page is laid out, from top to bottom. Each function draws one part of it."""

import time
from datetime import tzinfo
from html import escape
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from serving.client import NOTICE, AskError
from serving.page import parts, result, words
from serving.page.films import MOST, Film, Tray
from serving.page.panels import about_panel, answer_panel
from serving.page.reading import Reader

FOLDER = Path(__file__).parent
LOOK_AGAIN = 0.4  # seconds between two looks at a film that is being read
LOOK_FOR_SERVICE = 3.0  # seconds between two looks for a service that is away


def frame() -> None:
    """What every page has: its title, its style and the notice."""
    st.set_page_config(page_title="filmgate", page_icon=FOLDER / "icon.png", layout="wide")
    st.html(FOLDER / "style.css")
    st.html(f'<div class="fg-notice" role="note">{NOTICE}</div>')


def head(tray: Tray) -> None:
    """Which model answers, and what must be known of it."""
    if tray.card is None:
        st.html('<div class="fg-head"><h1>filmgate</h1></div>')
        return
    title, recipe, version = (escape(str(tray.card[name])) for name in ("title", "recipe", "version"))
    st.html(f'<div class="fg-head"><h1>{title}</h1><p>Model {recipe}, version {version}</p></div>')
    if flags := words.flags(tray.card):
        said = "".join(f"<li>{escape(flag)}</li>" for flag in flags)
        st.html(f'<div class="fg-flag" role="note"><p><b>⚠ Know of this model</b></p><ul>{said}</ul></div>')


def fault(error: AskError) -> None:
    """What went wrong, with the name under which the service's log knows it."""
    request = f"<small>Request {escape(error.request)}</small>" if error.request else ""
    st.html(f'<div class="fg-fault" role="alert"><p>{escape(words.fault_in_words(error))}</p>{request}</div>')


def trouble(tray: Tray, error: AskError) -> None:
    """Why nothing can be asked at present, and a way to ask again."""
    fault(error)
    waiting = sum(film.state == "waiting" for film in tray.films.values())
    if waiting:
        st.html(f'<p class="fg-soft">{waiting} {"film waits" if waiting == 1 else "films wait"} for it.</p>')
    if st.button("Try again", key="again"):
        tray.trouble = None
        st.rerun()


def newer(tray: Tray) -> None:
    """That the service runs another version than the one that answered, and a way to ask it."""
    if tray.card is None or not (earlier := tray.earlier):
        return
    versions = " and ".join(sorted({str(film.version) for film in earlier}))
    st.html(
        f'<div class="fg-flag" role="status"><p>The service now runs version {escape(tray.card["version"])}; '
        f"earlier answers on this page are of version {escape(versions)}.</p></div>"
    )
    if st.button("Ask the new version about them", key="renew"):
        for film in earlier:
            film.wait()
        st.rerun()


def intake_and_films(tray: Tray, reader: Reader, drawn: tuple[Any, ...]) -> None:
    """Where films are dropped, beside those that are there.

    Args:
        drawn: the stamp of the tray when this page was drawn.
    """
    field, row = st.columns([2, 5], gap="medium") if tray.films else (st.container(), st.container())
    with field:
        if tray.card is not None:
            intake(tray)
    with row:
        films(tray)
        watch(tray, reader, drawn)


def intake(tray: Tray) -> None:
    """Where films are dropped. They move to the tray, so that the field is empty again for the next ones."""
    label = "Drop more films here" if tray.films else "Drop films here: JPEG, PNG or DICOM"
    files = st.file_uploader(label, accept_multiple_files=True, key=f"intake{tray.lot}")
    st.html(
        '<p class="fg-soft">A film is sent to the service and kept nowhere. This page forgets it when you leave.</p>'
    )
    if files:
        tray.add((file.name, file.getvalue()) for file in files)
        tray.lot += 1
        st.rerun()
    if tray.left_out:
        left = f"{tray.left_out} films were left out" if tray.left_out > 1 else "1 film was left out"
        st.warning(f"{left}: this page holds {MOST} at once. Remove some to make room.", icon=":material/info:")


def examples(tray: Tray) -> None:
    """Films to try the service with."""
    if not tray.examples:
        return
    st.html('<h2 class="fg-title">Or try an example</h2>')

    def choose(place: str) -> None:
        example = tray.examples[int(place)]
        tray.add([(example.name, example.film)], example.label)

    parts.strip("examples", parts.example_items(tray.examples), "Examples", "", choose)


def films(tray: Tray) -> None:
    """The films on the page, each with its state."""
    if tray.films:
        many = len(tray.films)
        films = "1 film" if many == 1 else f"{many} films"
        title = (
            f"{tray.done} of {films} read" if tray.done < many else f"All {films} read" if many > 1 else "1 film read"
        )
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.html(f'<h2 class="fg-title">{title}</h2>', width="content")
            if st.button("Remove all", key="clear"):
                tray.clear()
                st.rerun()
    looked_at = tray.film
    said = f"Film {tray.number(looked_at)} of {len(tray.films)}. {words.sentence(looked_at)}" if looked_at else ""
    parts.strip("films", parts.film_items(tray), "Films on this page", said, tray.choose)


def watch(tray: Tray, reader: Reader, drawn: tuple[Any, ...]) -> None:
    """Let the reading go on, say what is going on, and draw the page anew where a film got further.

    Args:
        drawn: the stamp of the tray when this page was drawn.
    """

    @st.fragment(run_every=LOOK_AGAIN if reader.at_work else None)
    def look() -> None:
        reader.go_on()
        if tray.stamp() != drawn:
            st.rerun()
        if said := words.progress(tray, time.monotonic()):
            st.html(
                f'<div class="fg-progress"><span>{escape(said)}</span>'
                f'<progress aria-label="Films read" max="{len(tray.films)}" value="{tray.done}"></progress></div>'
            )

    look()


def large(tray: Tray, film: Film) -> None:
    """The film that is looked at: its answer, and beside it the film with its heatmap."""
    if film.state == "failed" and film.fault is not None:
        _failed(tray, film, film.fault)
        return
    if film.answer is None or tray.card is None:
        return
    answer, pictures = st.columns([3, 5], gap="medium")
    with answer:
        also = {} if film.label is None else {"Label of this example": film.label}
        st.html(answer_panel(film.answer, tray.card, also))
        if film.state == "answered":
            _sheet(film, tray)
        _remove(tray, film)
    with pictures:
        if film.fault is not None:
            fault(film.fault)
            _ask_again(film)
        if film.state == "reading":
            st.html('<p class="fg-soft">The film and its heatmap are being drawn.</p>')
        parts.viewer(film, tray.number(film))


def about(tray: Tray) -> None:
    """What the model is, and on whom it was tested."""
    if tray.card is not None:
        with st.expander("About this model, and on whom it was tested"):
            st.html(about_panel(tray.card))


def look_for_service(tray: Tray, ready: bool) -> None:
    """Draw the page anew as soon as the service that was away is there."""
    if ready:
        tray.trouble = None
        st.rerun()


def _failed(tray: Tray, film: Film, error: AskError) -> None:
    st.html(f'<h2 class="fg-title">No answer on film {tray.number(film)}, {escape(film.name)}</h2>')
    fault(error)
    again, _ = st.columns([1, 3])
    with again:
        if error.kind != "film":
            _ask_again(film)
        _remove(tray, film)


def _ask_again(film: Film) -> None:
    if st.button("Ask again", key="retry", width="stretch"):
        film.wait()
        st.rerun()


def _remove(tray: Tray, film: Film) -> None:
    if st.button("Remove this film", key="remove", width="stretch"):
        tray.remove(film.key)
        st.rerun()


def _sheet(film: Film, tray: Tray) -> None:
    if tray.card is None:
        return
    st.download_button(
        "Download the result",
        result.sheet(film, tray.card, zone(st.context.timezone)),
        result.file_name(film),
        "text/html",
        help="One sheet to print: no file name and no patient data. What is burnt into the film itself stays visible.",
        on_click="ignore",
        width="stretch",
    )


def zone(name: str | None) -> tzinfo | None:
    """The time zone of the user's browser; None, which is that of this machine, where it is not known."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError):
        return None
