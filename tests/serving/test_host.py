"""The process that serves, told to end."""

import socket
from types import SimpleNamespace

import uvicorn

from serving.host import Server, listen


async def greets(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


class EndsAsTheyCome(Server):
    """Is told to end when clients have connected and it had no moment to accept them."""

    async def main_loop(self):
        address = self._listener.getsockname()
        self.clients = [socket.create_connection(address, timeout=10) for _ in range(20)]
        for client in self.clients:
            client.sendall(b"GET / HTTP/1.1\r\nHost: films\r\nConnection: close\r\n\r\n")


def test_who_stood_in_line_when_it_stopped_listening_is_answered():
    listener = listen("127.0.0.1", 0)
    config = uvicorn.Config(greets, lifespan="off", log_config=None)
    server = EndsAsTheyCome(config, listener, SimpleNamespace(draining=False), 0.0)
    server.run(sockets=[listener])
    for client in server.clients:
        with client, client.makefile("rb") as said:
            assert said.read().endswith(b"hello")
