"""The process that serves an unpacked bento: `python -P <folder>/src/serving/host.py <folder> <host> <port>`.

It does what `bentoml serve` does for a service with one worker, without the supervisor that would load everything
twice, so that it is ready in half the time and ends with its own process.
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
            self.should_exit = self.force_exit = True
            return
        self._door.draining = True
        timer = threading.Timer(self._seconds, self._stop)
        timer.daemon = True
        timer.start()

    def _stop(self) -> None:
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, hear those who came last, and end when all of them are answered."""
        line = self._listener.dup()
        line.setblocking(False)
        for server in self.servers:
            server.close()
        for connection in rest_of(line):
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection)
        await asyncio.sleep(LAST_WORDS)
        await super().shutdown(sockets)

    def _protocol(self) -> asyncio.Protocol:
        given = {"config": self.config, "server_state": self.server_state, "app_state": self.lifespan.state}
        return self.config.http_protocol_class(**given)


def rest_of(line: socket.socket) -> list[socket.socket]:
    """The connections that the system has taken and nobody has accepted, which closing the line would reset."""
    waiting = []
    with line, suppress(BlockingIOError):
        while True:
            waiting.append(line.accept()[0])
    return waiting


def main(folder: str, host: str, port: int) -> None:
    """Load the bento, prove its model, and answer until the process is told to end."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for name in ("httpx", "uvicorn.error", "bentoml.serve"):
        logging.getLogger(name).setLevel(logging.WARNING)
    service = bentoml.load(folder)
    code = proven()
    app = rearranged(service.to_asgi(), (code.cors, code.admission))
    listener = listen(host, port)
    print(f"Serving {service.bento.tag} on http://{host}:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False)
    Server(config, listener, code.Admission, code.settings().drain_seconds).run(sockets=[listener])


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
    try:
        listener = socket.create_server((host, port), backlog=1024)
    except OSError as error:
        sys.exit(f"error: Cannot listen on {host}:{port} ({error.strerror}). End what listens there, or choose --port.")
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else an answer in two parts waits for 40 ms
    return listener


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
