"""The process that serves an unpacked bento: `python -P <folder>/src/serving/host.py <folder> <host> <port>`.

It does what `bentoml serve` does for a service with one worker, without the supervisor that would load everything
twice, so that it is ready in half the time and ends with its own process.

With `fd:<number> fd:<number>` for host and port it serves on a socket that it inherited, under the orders of who holds
the other end of the second one (`serving/follow.py`), which are words on lines of their own. It says `ready <tag>` when
its model is proven, and waits; on `go` it begins to accept, and says `serving`; on `yield` it accepts nobody any more
and says `yielded`, so that the next server of that socket does, answers what it has, and ends; `stop` is like SIGTERM,
`end` like a second one. The end of the channel is an order too: it must not outlive its supervisor.
"""

import asyncio
import logging
import socket
import sys
import threading
from contextlib import suppress
from types import FrameType
from typing import Any

import bentoml
import uvicorn

LEFT_OUT = ("TimeoutMiddleware", "OpenTelemetryMiddleware")
INHERITED = "fd:"
A_MOMENT = 0.005  # seconds
LAST_WORDS = 0.5  # seconds in which a connection that was just taken says what it wants; uvicorn would cut it off


class Server(uvicorn.Server):
    """A server that, told to end, answers what still comes for a moment, so that nobody is cut off.

    Its answers then ask clients to come by another connection, which balancers and clients take elsewhere; after that
    it stops listening, answers what it has, and ends. A second signal ends it at once.
    """

    def __init__(self, config: uvicorn.Config, listener: socket.socket, door: Any, seconds: float) -> None:
        super().__init__(config)
        self._listener, self._door, self._seconds = listener, door, seconds

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Let the last requests in, then stop listening."""
        if self._door.draining:
            self._end()
        else:
            self._drain(self._seconds)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, hear those who came last, and end when all of them are answered."""
        for connection in self._last_comers():
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection)
        await asyncio.sleep(LAST_WORDS)
        await super().shutdown(sockets)

    def _drain(self, seconds: float) -> None:
        self._door.draining = True
        timer = threading.Timer(seconds, self._stop)
        timer.daemon = True
        timer.start()

    def _stop(self) -> None:
        self.should_exit = True

    def _end(self) -> None:
        self.should_exit = self.force_exit = True

    def _last_comers(self) -> list[socket.socket]:
        """Stop listening, and take those who stand in line."""
        line = self._listener.dup()
        line.setblocking(False)
        self._stop_listening()
        return rest_of(line)

    def _stop_listening(self) -> None:
        for server in self.servers:
            server.close()

    def _protocol(self) -> asyncio.Protocol:
        given = {"config": self.config, "server_state": self.server_state, "app_state": self.lifespan.state}
        return self.config.http_protocol_class(**given)


class Successor(Server):
    """A server on a line that others have served before it and will after it, as the orders on its channel say.

    It closes the line, and never shuts it down, so that whoever stands there is served by the next one.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        listener: socket.socket,
        door: Any,
        seconds: float,
        channel: socket.socket,
        tag: str,
    ) -> None:
        super().__init__(config, listener, door, seconds)
        self._channel, self._tag = channel, tag
        self._called, self._in_line = False, False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the service, and accept clients when that is ordered."""
        await super().startup(sockets=[])
        reader, self._writer = await asyncio.open_unix_connection(sock=self._channel)
        self._obeying = asyncio.create_task(self._obey(reader))
        self._say(f"ready {self._tag}")
        while not (self._called or self.should_exit):
            await asyncio.sleep(A_MOMENT)
        if not self.should_exit:
            loop, waiting = asyncio.get_running_loop(), self.config.backlog
            self.servers = [await loop.create_server(self._protocol, sock=self._listener, backlog=waiting)]
            self._in_line = True
            self._say("serving")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End as any server does, and hang up."""
        await super().shutdown(sockets)
        self._obeying.cancel()
        self._writer.close()
        with suppress(OSError):  # the supervisor may be gone
            await self._writer.wait_closed()

    async def _obey(self, reader: asyncio.StreamReader) -> None:
        orders = {"go": self._go, "yield": self._yield, "stop": self._once, "end": self._end}
        with suppress(OSError):  # as the end of the channel
            while line := await reader.readline():
                if (word := line.decode().strip()) in orders:
                    orders[word]()
        if not self._door.draining:
            self._drain(0.0)

    def _say(self, words: str) -> None:
        self._writer.write(f"{words}\n".encode())

    def _go(self) -> None:
        self._called = True

    def _yield(self) -> None:
        """Leave the line to the next server; those who were accepted are answered, and asked to come again there."""
        self._stop_listening()
        self._in_line = False
        self._say("yielded")
        self._once()

    def _once(self) -> None:
        """As the first signal, however many come."""
        if not self._door.draining:
            self._drain(self._seconds)

    def _last_comers(self) -> list[socket.socket]:
        return super()._last_comers() if self._in_line else []


def rest_of(line: socket.socket) -> list[socket.socket]:
    """The connections that the system has taken and nobody has accepted, which closing the line would reset."""
    waiting = []
    with line, suppress(BlockingIOError):
        while True:
            waiting.append(line.accept()[0])
    return waiting


def main(folder: str, *place: str) -> None:
    """Load the bento, prove its model, and answer until the process is told to end.

    Args:
        place: host and port, or the line and the channel that were inherited.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for name in ("httpx", "uvicorn.error", "bentoml.serve"):
        logging.getLogger(name).setLevel(logging.WARNING)
    service = bentoml.load(folder)
    code = proven()
    app = rearranged(service.to_asgi(), (code.cors, code.admission))
    config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False)
    rules = (code.Admission, code.settings().drain_seconds)
    if place[0].startswith(INHERITED):
        line, channel = (socket.socket(fileno=int(name.removeprefix(INHERITED))) for name in place)
        return Successor(config, line, *rules, channel, str(service.bento.tag)).run(sockets=[line])
    listener = listen(place[0], int(place[1]))
    print(f"Serving {service.bento.tag} on http://{place[0]}:{listener.getsockname()[1]}", flush=True)
    return Server(config, listener, *rules).run(sockets=[listener])


def proven() -> Any:
    """The code that the bento brought, or one sentence where its model is not the one that was released."""
    from pipelines.errors import FilmgateError
    from serving import service

    try:
        service.opened()
    except FilmgateError as error:
        sys.exit(f"error: {error}")
    return service


def rearranged(app: Any, first: tuple[Any, ...]) -> Any:
    """The app with some layers outermost, so that a request that is not let in costs next to nothing.

    Two of BentoML's are left out. The timers of its time limit hold on to every request until it would have run out,
    and the door keeps the time itself; its tracing takes a third of the time of a small model, and nobody listens.
    """
    layers = [layer for layer in app.user_middleware if layer.cls.__name__ not in LEFT_OUT]
    app.user_middleware = sorted(layers, key=lambda layer: layer.cls not in first)
    return app


def listen(host: str, port: int) -> socket.socket:
    """A socket on that address, or one sentence where it cannot be had."""
    from serving.process import listening

    return listening(host, port)


if __name__ == "__main__":
    main(*sys.argv[1:])
