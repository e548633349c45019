"""Prefect's own server, so that it bears several writers on SQLite: python -m flows.prefect_server --port 4200

Two things are added to `prefect server start`:

Garbage is collected by a thread of its own. Cursors of SQLite that a failed statement left behind are reset when they
are collected, and a reset waits for as long as the cursor's connection waits for the right to write. On the thread of
the event loop, where Python collects by itself, the connection that holds this right could then never give it back:
the server stood still until SQLite's patience, a minute, was over.

A request that SQLite refused, since another one wrote first, is tried again here. Prefect answers it with 503 and has
changed nothing; its own clients ask again, but its page does not, and an approval would end in an error.
"""

import asyncio
import gc
import runpy
import sys
import threading
import time
from itertools import count

from prefect.server.api import server
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PAUSE = 1.0  # seconds between two collections
THOROUGH = 60  # each of so many looks at what has lived for long, too
BUSY = 503
AGAIN = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)  # seconds after which a refused request is tried again


def main() -> None:
    """Become `prefect server start`, with the arguments given here."""
    collect_apart()
    create_app = server.create_app
    server.create_app = lambda *given, **named: Again(create_app(*given, **named))
    sys.argv = ["prefect", "server", "start", *sys.argv[1:]]
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)


def collect_apart() -> None:
    """Let a thread of its own collect this process's garbage, and no other."""
    gc.disable()
    threading.Thread(target=_collect, name="garbage", daemon=True).start()


def _collect() -> None:
    for turn in count(1):
        time.sleep(PAUSE)
        gc.collect(2 if turn % THOROUGH == 0 else 1)


class Again:
    """An ASGI application that tries a request again where another one answers it with 503."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with its body as often as it is needed; what is no request, untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = await _whole(receive)
        for pause in AGAIN:
            attempt = _Attempt(body, receive, send)
            try:
                await self._app(dict(scope), attempt.receive, attempt.send)
            except Exception:
                if not attempt.refused:  # Starlette answers a fault, and raises it for the log
                    raise
            if not attempt.refused:
                return
            await asyncio.sleep(pause)
        await self._app(scope, _Attempt(body, receive, send).receive, send)


class _Attempt:
    """One try: gives the body, and keeps a refusal to itself."""

    def __init__(self, body: list[Message], receive: Receive, send: Send) -> None:
        self._body, self._receive, self._send = iter(body), receive, send
        self.refused = False

    async def receive(self) -> Message:
        """The body, and then whatever the client does."""
        return next(self._body, None) or await self._receive()

    async def send(self, message: Message) -> None:
        """Give the answer on, unless it is a refusal."""
        if message["type"] == "http.response.start":
            self.refused = message["status"] == BUSY
        if not self.refused:
            await self._send(message)


async def _whole(receive: Receive) -> list[Message]:
    """All parts of a request's body."""
    parts = [await receive()]
    while parts[-1].get("more_body"):
        parts.append(await receive())
    return parts


if __name__ == "__main__":
    main()
