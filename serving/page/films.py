"""The films on the page: which there are, how far each one is, and which one is looked at. Nothing of Streamlit here.

All of it lives in the memory of one visit to the page, and nowhere else.
"""

import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from serving.client import AskError, Example, Prediction, Window

MOST = 30  # films on the page at once, each with its file in memory
State = Literal["waiting", "reading", "answered", "failed"]


@dataclass(frozen=True)
class Pictures:
    """What is seen of a film, as addresses that hold the picture.

    Args:
        film: the film alone.
        heat: the film with its heatmap at full strength.
        thumb: the film, small.
        window: in which it is shown; None where the film has none.
        rising: whether higher levels are shown brighter; None where that is not known.
    """

    film: str
    heat: str
    thumb: str
    window: Window | None
    rising: bool | None = None


@dataclass
class Film:
    """One film, and how far it is.

    Args:
        key: SHA-256 of its file, so that the same film is asked once.
        name: of its file, for the eyes of this user alone: it never leaves the page.
        data: its file.
        label: what an example is known to show; None of the user's own films.
        began: when the service was first asked, by a clock of `time.monotonic`.
        word: what is to be said while it is waited for.
        wish: center and width of the window in which it shall be shown; None for that of the film.
        shown: the wish that the pictures fulfil.
        at: when it was answered.
        fault: why there is no answer, or no picture beside the answer.
    """

    key: str
    name: str
    data: bytes = field(repr=False)
    label: str | None = None
    state: State = "waiting"
    began: float = 0.0
    word: str = ""
    answer: Prediction | None = None
    pictures: Pictures | None = field(default=None, repr=False)
    wish: tuple[float, float] | None = None
    shown: tuple[float, float] | None = None
    at: datetime | None = None
    fault: AskError | None = None

    @property
    def version(self) -> str | None:
        """Of the model that answered."""
        return self.answer.model.get("version") if self.answer else None

    def begin(self) -> None:
        """The service is asked from now on."""
        self.state, self.began, self.word, self.fault = "reading", time.monotonic(), "", None

    def hear(self, answer: Prediction) -> None:
        """The service answered; the pictures are still to come."""
        self.answer, self.at, self.pictures, self.word = answer, datetime.now(UTC), None, ""

    def finish(self) -> None:
        """All that can be had of the service is there."""
        self.state, self.word = "answered", ""

    def fail(self, fault: AskError) -> None:
        """The service gave no answer."""
        self.answer, self.fault, self.state, self.word = None, fault, "failed", ""

    def wait(self) -> None:
        """Ask anew when its turn comes; the answer of before is forgotten."""
        self.state, self.word, self.fault, self.answer, self.at = "waiting", "", None, None, None

    @property
    def to_be_drawn(self) -> bool:
        """Whether another window is wished for than is shown."""
        return self.state == "answered" and self.pictures is not None and self.wish != self.shown


@dataclass
class Tray:
    """The films of one visit, in the order in which they came.

    Args:
        chosen: key of the film that is shown large.
        left_out: how many films of the last lot found no room.
        lot: how often films were added; it names the field that takes the next ones.
        card: of the model that the service runs; None before it was ever reached.
        card_at: when the card was read, by a clock of `time.monotonic`.
        examples: films to try the service with, of the model version `examples_of`.
        trouble: why nothing can be asked at present.
    """

    films: dict[str, Film] = field(default_factory=dict)
    chosen: str | None = None
    left_out: int = 0
    lot: int = 0
    card: dict[str, Any] | None = None
    card_at: float = 0.0
    examples: tuple[Example, ...] = ()
    examples_of: str | None = None
    trouble: AskError | None = None

    def add(self, files: Iterable[tuple[str, bytes]], label: str | None = None) -> None:
        """Put films on the tray; one that lies there already is not added again. The first new one is looked at."""
        self.left_out = 0
        came: list[str] = []
        for name, data in files:
            key = hashlib.sha256(data).hexdigest()
            if key not in self.films and len(self.films) >= MOST:
                self.left_out += 1
                continue
            self.films.setdefault(key, Film(key, name, data, label))
            came.append(key)
        if came:
            self.chosen = came[0]

    def choose(self, key: str | None) -> None:
        """Look at a film."""
        if key in self.films:
            self.chosen = key

    def remove(self, key: str) -> None:
        """Forget a film; its neighbour is looked at."""
        keys = list(self.films)
        place = keys.index(key)
        del self.films[key]
        keys.remove(key)
        if self.chosen == key:
            self.chosen = keys[min(place, len(keys) - 1)] if keys else None

    def clear(self) -> None:
        """Forget all films."""
        self.films.clear()
        self.chosen, self.left_out = None, 0

    @property
    def film(self) -> Film | None:
        """The film that is looked at."""
        return self.films.get(self.chosen) if self.chosen else None

    def number(self, film: Film) -> int:
        """The place of a film, from 1."""
        return list(self.films).index(film.key) + 1

    def next(self) -> Film | None:
        """The film that the service is to be asked about next: the one that is looked at comes before the others."""
        films = list(self.films.values())
        drawn = [film for film in films if film.to_be_drawn]
        waiting = [film for film in films if film.state == "waiting"]
        return next(iter(drawn + [film for film in waiting if film.key == self.chosen] + waiting), None)

    @property
    def reading(self) -> Film | None:
        """The film that the service is being asked about."""
        return next((film for film in self.films.values() if film.state == "reading"), None)

    @property
    def done(self) -> int:
        """How many films are answered, or failed."""
        return sum(film.state in ("answered", "failed") for film in self.films.values())

    @property
    def earlier(self) -> list[Film]:
        """Films that another version answered than the service runs now."""
        now = self.card["version"] if self.card else None
        return [film for film in self.films.values() if film.version not in (None, now)]

    def stamp(self) -> tuple[Any, ...]:
        """What the page shows; where it changes, the page is to be drawn anew."""
        films = tuple((film.key, film.state, film.at, film.shown, film.fault) for film in self.films.values())
        return films, self.chosen, self.trouble, self.card_at
