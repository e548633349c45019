"""The process that serves, told to end."""

import socket
import threading
from types import SimpleNamespace

import pytest
import uvicorn

from serving.host import Server, Successor, listen


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


class GoesAsTheyCome(Successor):
    """The same, under orders: it ends without a word when clients stand in line."""

    main_loop = EndsAsTheyCome.main_loop


class Conducted:
    """A `Successor` in a thread, and the other end of its channel."""

    def __init__(self, listener, text, drain_seconds=0.0, kind=Successor):
        async def app(scope, receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
            await send({"type": "http.response.body", "body": text})

        self.door, (self.channel, theirs) = SimpleNamespace(draining=False), socket.socketpair()
        self.channel.settimeout(10)
        self.words = self.channel.makefile("r")
        config = uvicorn.Config(app, lifespan="off", log_config=None)
        own = listener.dup()
        self.server = kind(config, own, self.door, drain_seconds, theirs, "filmgate-demo:0a1b")
        self.thread = threading.Thread(target=self.server.run, args=([own],))
        self.thread.start()

    def order(self, word):
        self.channel.sendall(f"{word}\n".encode())

    def says(self):
        return self.words.readline().strip()

    def close(self):
        self.words.close()
        self.channel.close()
        self.thread.join(10)
        assert not self.thread.is_alive()


@pytest.fixture
def conducted():
    """Starts servers on one line: `conducted(line, b"hello")`."""
    started = []

    def start(*given):
        started.append(Conducted(*given))
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture
def line():
    with listen("127.0.0.1", 0) as listener:
        yield listener


def connected(line):
    client = socket.create_connection(line.getsockname(), timeout=10)
    client.sendall(b"GET / HTTP/1.1\r\nHost: films\r\nConnection: close\r\n\r\n")
    return client


def answer(client):
    with client, client.makefile("rb") as said:
        return said.read()[-5:]


def test_a_successor_takes_nobody_before_it_is_called(line, conducted):
    server = conducted(line, b"hello")
    assert server.says() == "ready filmgate-demo:0a1b"
    client = connected(line)
    with pytest.raises(TimeoutError):
        client.settimeout(0.1)
        client.recv(1)
    client.settimeout(10)
    server.order("go")
    assert server.says() == "serving"
    assert answer(client) == b"hello"


def test_who_comes_when_the_line_was_left_is_answered_by_the_next(line, conducted):
    first, second = conducted(line, b"first"), conducted(line, b"other")
    for server in (first, second):
        assert server.says().startswith("ready")
    first.order("go")
    assert first.says() == "serving"
    assert answer(connected(line)) == b"first"
    first.order("yield")
    assert first.says() == "yielded"
    assert first.door.draining
    clients = [connected(line) for _ in range(20)]
    first.thread.join(10)  # it ends, and takes nobody with it
    second.order("go")
    assert [answer(client) for client in clients] == [b"other"] * 20


def test_who_was_taken_before_the_line_was_left_is_answered_all_the_same(line, conducted):
    server = conducted(line, b"first", 0.5)
    server.says()
    server.order("go")
    assert server.says() == "serving"
    client = socket.create_connection(line.getsockname(), timeout=10)
    assert answer(connected(line)) == b"first"  # so the one before was accepted too
    server.order("yield")
    assert server.says() == "yielded"
    client.sendall(b"GET / HTTP/1.1\r\nHost: films\r\nConnection: close\r\n\r\n")
    assert answer(client) == b"first"


def test_a_server_without_a_successor_answers_who_stands_in_line(line, conducted):
    server = conducted(line, b"hello", 0.0, GoesAsTheyCome)
    server.says()
    server.order("go")
    assert server.says() == "serving"
    server.thread.join(10)
    assert [answer(client) for client in server.server.clients] == [b"hello"] * 20


def test_the_order_to_stop_may_come_twice_and_an_unknown_one_is_none(line, conducted):
    server = conducted(line, b"hello", 0.5)
    server.says()
    server.order("go")
    assert server.says() == "serving"
    for word in ("word that a later supervisor may know", "stop", "stop"):
        server.order(word)
    assert answer(connected(line)) == b"hello"
    server.thread.join(10)
    assert server.says() == ""
    assert not server.server.force_exit


def test_a_server_ends_with_its_channel_whether_it_was_called_or_not(line, conducted):
    waiting, serving = conducted(line, b"first"), conducted(line, b"other")
    for server in (waiting, serving):
        assert server.says().startswith("ready")
    serving.order("go")
    assert serving.says() == "serving"
    for server in (waiting, serving):
        server.close()  # joins it
