"""Asking the service about films, one after another, in a thread of its own, so that the page never stands still."""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar

from serving.client import AskError, Client
from serving.page.films import Film, Tray
from serving.page.pictures import pictures_of

T = TypeVar("T")
Connect = Callable[[], AbstractContextManager[Client]]
TRIES = 4  # times that a busy service is asked
LONGEST_WAIT = 15.0  # seconds between two of them
FRESH = 20.0  # seconds for which the card is believed
HALTS = ("away", "key", "strange")  # faults that every other film would meet too


class Reader:
    """Reads the films of a tray, one at a time."""

    def __init__(self, tray: Tray, connect: Connect) -> None:
        """Nothing is asked yet.

        Args:
            connect: opens a connection to the service.
        """
        self._tray = tray
        self._connect = connect
        self._thread: threading.Thread | None = None

    @property
    def at_work(self) -> bool:
        """Whether a film is being read, or another one is to be."""
        alive = self._thread is not None and self._thread.is_alive()
        return alive or (self._tray.trouble is None and self._tray.next() is not None)

    def go_on(self) -> None:
        """Begin with the next film where none is being read.

        It is asked for again and again while somebody looks at the page, so that reading ends when they leave.
        """
        if self._thread is not None and self._thread.is_alive():
            return
        if left := self._tray.reading:
            left.fail(AskError("The page could not finish this film. Ask again.", "broken"))
        film = self._tray.next()
        if film is not None and self._tray.trouble is None:
            if film.state == "waiting":
                film.begin()
            self._thread = threading.Thread(target=self._work, args=(film,), daemon=True)
            self._thread.start()

    def _work(self, film: Film) -> None:
        with self._connect() as client:
            (draw_again if film.state == "answered" else read)(client, film, self._tray)


def read(client: Client, film: Film, tray: Tray) -> None:
    """Ask for the answer on a film and for its pictures; what goes wrong is kept in the film.

    A fault that every other film would meet too stops all of them: the film waits on, and the tray says why.
    """
    try:
        film.hear(patiently(lambda: client.predict(film.data), film))
        try:
            film.pictures = patiently(lambda: pictures_of(client, film.data, film.wish), film)
        except AskError as error:
            if error.kind in HALTS:
                raise
            film.fault = error
        film.shown = film.wish
        film.finish()
    except AskError as error:
        if error.kind in HALTS:
            film.wait()
            tray.trouble = error
        else:
            film.fail(error)
    if tray.card is not None and film.version not in (None, tray.card["version"]):
        keep_card(client, tray, fresh=0.0)


def draw_again(client: Client, film: Film, tray: Tray) -> None:
    """Draw the pictures of a film in the window that is wished for; where that fails, they stay as they are."""
    wish = film.wish
    try:
        rising = film.pictures.rising if film.pictures else None
        film.pictures = patiently(lambda: pictures_of(client, film.data, wish, rising), film)
        film.shown, film.fault = wish, None
    except AskError as error:
        film.wish, film.fault = film.shown, error


def patiently(ask: Callable[[], T], film: Film, sleep: Callable[[float], None] = time.sleep) -> T:
    """Ask a service, and ask again where it is busy.

    Args:
        film: what is waited for; it is told why.
        sleep: waits for some seconds.
    Raises:
        AskError: something else is wrong, or the service stays busy.
    """
    for attempt in range(1, TRIES):
        try:
            return ask()
        except AskError as error:
            if error.kind != "busy":
                raise
            pause = min(error.wait, LONGEST_WAIT)
            film.word = f"The service is busy. It is asked again in {pause:.0f} s (attempt {attempt + 1} of {TRIES})."
            sleep(pause)
            film.word = ""
    return ask()


def keep_card(client: Client, tray: Tray, fresh: float = FRESH) -> None:
    """Read the card of the model anew where it is no longer fresh; what goes wrong is kept in the tray.

    A service that is merely busy keeps the card that it had.

    Args:
        fresh: seconds for which a card is believed.
    """
    if tray.card is not None and tray.trouble is None and time.monotonic() - tray.card_at < fresh:
        return
    try:
        card = client.card()
        if not {"title", "recipe", "version", "labels"} <= set(card):
            raise AskError("The service's card is not one of filmgate's. Check the address.", "strange")
        tray.card, tray.card_at, tray.trouble = card, time.monotonic(), None
    except AskError as error:
        if tray.card is not None and error.kind in ("busy", "slow"):
            tray.card_at = time.monotonic()
        else:
            tray.trouble = error
