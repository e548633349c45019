"""A Prefect server for each module, and a publisher of data: HTTP on this machine, as unreliable as real ones are."""

import hashlib
import os
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows import download
from flows.process import end, start
from flows.project import HERE
from flows.server import SERVER, appears, free_port


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a Prefect server of one module alone, which this process reports to."""
    port = free_port()
    address = f"http://127.0.0.1:{port}/api"
    home, log = tmp_path_factory.mktemp("prefect"), tmp_path_factory.mktemp("log") / "server.log"
    environment = {**os.environ, "PREFECT_HOME": str(home), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    with log.open("wb") as said:
        process = start([SERVER, "--host", "127.0.0.1", "--port", str(port)], HERE, environment, said)
    try:
        assert appears(address, process), log.read_text()[-2000:]
        with temporary_settings({PREFECT_API_URL: address}):
            yield address
            APILogWorker.instance().drain()  # or what Prefect's threads still have would go to the next module's server
            EventsWorker.drain_all()
    finally:
        end(process)


class Publisher:
    """What the server gives, how it misbehaves, and what it was asked.

    `asked` holds the path, Range and If-Range of every request. `cut_after` is consumed by the next answers: each ends,
    its connection with it, after that many bytes. `starts_at` is where it begins a range, if not where it was asked to.
    """

    def __init__(self):
        self.files, self.status, self.asked = {}, {}, []
        self.ranges, self.cut_after, self.starts_at = True, [], None

    def address(self, path):
        return f"http://127.0.0.1:{self.port}/{path}"

    def version(self, path):
        return f'"{hashlib.md5(self.files[path]).hexdigest()}"'

    def answer(self, handler):
        path, wish, only_if = handler.path[1:], handler.headers.get("Range"), handler.headers.get("If-Range")
        self.asked.append((path, wish, only_if))
        if path not in self.files or self.status.get(path):
            handler.send_error(self.status[path].pop() if self.status.get(path) else 404)
            return
        content, start = self.files[path], 0
        if wish and self.ranges and only_if in (None, self.version(path)):
            start = int(wish.removeprefix("bytes=").removesuffix("-")) if self.starts_at is None else self.starts_at
            if start >= len(content):
                handler.send_error(416)
                return
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            handler.send_response(200)
        handler.send_header("Content-Length", str(len(content) - start))
        handler.send_header("ETag", self.version(path))
        handler.end_headers()
        rest = content[start:]
        handler.wfile.write(rest[: self.cut_after.pop(0)] if self.cut_after else rest)


@pytest.fixture
def publisher(monkeypatch):
    """A publisher on a free port; tries follow each other without a pause."""
    publisher = Publisher()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            with suppress(ConnectionError):  # who asked saw enough and went
                publisher.answer(self)

        def log_message(self, *_):
            pass

    monkeypatch.setattr(download, "PAUSE", 0.0)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        publisher.port = server.server_port
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield publisher
        server.shutdown()
