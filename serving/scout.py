"""Looks out for what is to be served, and has it ready in a folder before it tells."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from pipelines.errors import FilmgateError
from serving.child import Target

POLL = 1.0  # seconds
LAST = 5.0  # seconds for what it does just now
PATIENCE = 300.0  # seconds until what did not work is tried again, though nothing else is wanted


@dataclass(frozen=True)
class News:
    """That something is wanted, and the folder it lies in; or why it cannot be had."""

    target: Target | None
    folder: Path | None = None
    fault: str | None = None


class Scout(threading.Thread):
    """Asks again and again, beside the supervisor, since what is wanted may take minutes to fetch."""

    def __init__(
        self, wanted: Callable[[], Target | None], folder_of: Callable[[Target, threading.Event], Path]
    ) -> None:
        """Begin when started.

        Args:
            wanted: what is to be served; None: what is served now, whatever that is.
            folder_of: unpacks it, and gives up when the event is set.
        """
        super().__init__(daemon=True)
        self._wanted, self._folder_of = wanted, folder_of
        self._news = SimpleQueue[News]()
        self._last: object = None
        self._again = 0.0
        self._over = threading.Event()

    def run(self) -> None:
        """Look until told to end."""
        while not self._over.wait(POLL):
            self._look()

    def news(self) -> News | None:
        """The oldest that was not told yet."""
        try:
            return self._news.get_nowait()
        except Empty:
            return None

    def end(self) -> None:
        """End, and what was started for it with it."""
        self._over.set()
        self.join(LAST)

    def _look(self) -> None:
        target = None
        try:
            target = self._wanted()
            if self._is_new(target) and target is not None:
                self._news.put(News(target, self._folder_of(target, self._over)))
        except Exception as error:  # whatever it is, what is served now is not to suffer
            fault = str(error) if isinstance(error, FilmgateError) else repr(error)
            if target is not None or self._is_new(fault):
                self._news.put(News(target, fault=fault))

    def _is_new(self, found: object) -> bool:
        if found == self._last and time.monotonic() < self._again:
            return False
        self._last, self._again = found, time.monotonic() + PATIENCE
        return True
