"""Serves what is wanted, and goes on to the next without a client noticing more than other answers.

This process holds the line in which clients stand (the listening socket), and the servers, its children, take them from
there. A new one starts beside the old one, proves its model, and says that it is ready; then the old one leaves the
line and answers those that it took, and the new one takes the next. Nobody is refused or cut off, and no client that
was answered by the new one meets the old one again.
"""

import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from serving.child import Child, Target
from serving.scout import PATIENCE, News, Scout

TICK = 0.25  # seconds
START_LIMIT = 180.0  # seconds in which a server must prove its model
YIELD_LIMIT = 5.0  # seconds in which one must leave the line
LEAVE_LIMIT = 150.0  # seconds in which it must have answered: FILMGATE_MAX_SECONDS is 120 at most
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)  # seconds before a server that ended by itself is started again
STEADY = 60.0  # seconds after which the first of them counts again

Start = Callable[[Target, Path, socket.socket], Child]


class Follower:
    """The supervisor: one server in the line, perhaps one that is coming, and those that are leaving."""

    def __init__(self, line: socket.socket, address: str, start: Start, scout: Scout) -> None:
        """Nothing is served yet.

        Args:
            address: of the line, for people.
            start: starts the server of a target, in a folder, on the line.
            scout: tells what is wanted.
        """
        self._line, self._address, self._start, self._scout = line, address, start, scout
        self._serving: Child | None = None
        self._coming: Child | None = None
        self._leaving: list[Child] = []
        self._limits: dict[Child, float] = {}  # when a child must have done what it was told
        self._proven: tuple[Target, Path] | None = None  # what was served last
        self._failures, self._since, self._restart = 0, 0.0, 0.0
        self._signals, self._stopping, self._status = 0, False, 0
        self._result: int | None = None
        self._told, self._complained = "", ""

    def run(self, target: Target, folder: Path) -> int:
        """Serve until a signal says to end.

        Returns:
            the exit status: 0 when all that was taken was answered; 1 where nothing could be served.
        """
        with self._heeding_signals():
            self._bring(target, folder)
            self._scout.start()
            while self._result is None:
                self._turn()
            self._scout.end()
        return self._result

    def _turn(self) -> None:
        select.select([child.channel for child in self._children() if child.talks], [], [], TICK)
        for child in self._children():
            for words in child.words():
                self._hear(child, words)
        for child in self._children():
            if child.status is not None:
                self._bury(child, child.status)
        for child in [child for child, limit in self._limits.items() if limit < time.monotonic()]:
            self._lose_patience(child)
        if self._signals:
            self._stop()
        elif self._coming is None or self._coming.tag is None:  # else it is taking over just now
            self._look_around()

    def _children(self) -> list[Child]:
        return [child for child in (self._serving, self._coming, *self._leaving) if child is not None]

    def _hear(self, child: Child, words: str) -> None:
        word, _, rest = words.partition(" ")
        if word == "ready" and child is self._coming:
            self._hand_over(child, rest)
        elif word == "yielded" and child is self._serving:
            self._go()
        elif word == "serving" and child is self._serving:
            self._tell(str(child.tag))

    def _hand_over(self, coming: Child, tag: str) -> None:
        coming.tag = tag
        del self._limits[coming]
        if self._serving is None:
            self._go()
        else:
            self._serving.order("yield")
            self._limits[self._serving] = time.monotonic() + YIELD_LIMIT

    def _go(self) -> None:
        """Nobody is in the line any more: let the coming one in."""
        if self._serving is not None:
            self._leave(self._serving)
        self._serving, self._coming = self._coming, None
        if self._serving is not None:
            self._serving.order("go")
            self._proven, self._since = (self._serving.target, self._serving.folder), time.monotonic()

    def _leave(self, child: Child) -> None:
        self._leaving.append(child)
        self._limits[child] = time.monotonic() + LEAVE_LIMIT

    def _tell(self, tag: str) -> None:
        first, again = not self._told, self._told == tag
        self._told, self._complained = tag, ""
        print(
            f"Serving {tag} on {self._address}" if first else f"{'Again' if again else 'Now'} serving {tag}", flush=True
        )

    def _bring(self, target: Target, folder: Path) -> None:
        try:
            self._coming = self._start(target, folder, self._line)
        except OSError as error:
            self._failed(target, str(error))
        else:
            self._limits[self._coming] = time.monotonic() + START_LIMIT

    def _bury(self, child: Child, status: int) -> None:
        child.close()
        self._limits.pop(child, None)
        if child in self._leaving:
            self._leaving.remove(child)
        elif child is self._serving:
            self._served(child, status)
        else:
            self._coming = None
            if self._serving is not None and child.tag is not None:  # which was told to yield to it
                self._leave(self._serving)
                self._serving = None
            if not self._stopping:
                self._failed(child.target, f"status {status}")

    def _served(self, child: Child, status: int) -> None:
        self._serving = None
        if self._coming is not None and self._coming.tag is not None:
            self._go()  # it was to yield, and did
        elif self._stopping:
            self._status = int(status != 0)
        elif self._coming is None:  # else that is the next one
            self._pause(child.target, f"The server of {child.target.name} ended by itself (status {status})")

    def _failed(self, target: Target, why: str) -> None:
        """A server did not start: the old one goes on, or is started anew, or there was none."""
        if self._serving is not None:
            self._complain(
                f"{target.name} did not start ({why}): {self._serving.target.name} goes on being served. It is tried "
                f"again when something else was wanted between, or in {PATIENCE / 60:.0f} minutes."
            )
        elif self._proven is None:
            self._result = 1
        else:
            self._pause(self._proven[0], f"{target.name} did not start ({why})")

    def _pause(self, next_one: Target, why: str) -> None:
        if time.monotonic() - self._since > STEADY:
            self._failures = 0
        seconds = PAUSES[min(self._failures, len(PAUSES) - 1)]
        self._failures, self._restart = self._failures + 1, time.monotonic() + seconds
        self._complain(f"{why}: {next_one.name} is started again in {seconds:g} s, and clients wait.")

    def _complain(self, sentence: str) -> None:
        if sentence != self._complained:
            print(sentence, file=sys.stderr, flush=True)
        self._complained = sentence

    def _lose_patience(self, child: Child) -> None:
        del self._limits[child]
        if child is self._serving:
            self._go()  # though the old one did not leave
        else:
            child.kill()

    def _look_around(self) -> None:
        if (news := self._scout.news()) is not None:
            self._heed(news)
        elif self._serving is None and self._coming is None and self._proven and time.monotonic() > self._restart:
            self._bring(*self._proven)

    def _heed(self, news: News) -> None:
        target, folder = news.target, news.folder
        if target is None or folder is None:
            self._complain(f"{target.name if target else 'What is in production'} cannot be served. {news.fault}")
        elif self._coming is None or self._coming.target != target:
            self._drop_coming()
            if self._serving is None or self._serving.target != target:
                self._bring(target, folder)

    def _drop_coming(self) -> None:
        if self._coming is not None:
            self._coming.kill()
            self._leave(self._coming)
            self._coming = None

    def _stop(self) -> None:
        """Answer all that was taken, and end; at the second signal, end."""
        if not self._stopping:
            self._stopping = True
            self._line.close()  # so that it ends with the server that has it, as if there were no other process
            if self._coming is not None and self._coming.tag is not None:
                self._go()
            self._drop_coming()
            if self._serving is not None:
                self._serving.order("stop")
        elif self._signals > 1:
            self._signals = 1
            for child in self._children():
                child.order("end")
        if not self._children():
            self._result = self._status

    @contextmanager
    def _heeding_signals(self) -> Iterator[None]:
        def note(number: int, frame: FrameType | None) -> None:
            self._signals += 1

        before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
