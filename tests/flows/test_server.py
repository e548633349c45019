import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows import server


@pytest.fixture
def local_server(monkeypatch):
    """Something on 127.0.0.1 that says it is well."""

    class Healthy(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Healthy) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{http.server_port}/api"
        monkeypatch.setattr(server, "LOCAL", address)
        yield address
        http.shutdown()


def test_a_configured_server_comes_first(local_server):
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}), server.nearest_server() as address:
        assert address == "http://127.0.0.1:9/api"


def test_a_local_server_that_runs_is_used(local_server):
    with temporary_settings(restore_defaults={PREFECT_API_URL}), server.nearest_server() as address:
        assert address == local_server
        assert PREFECT_API_URL.value() == local_server


def test_without_any_server_a_temporary_one_is_announced(monkeypatch, capsys):
    monkeypatch.setattr(server, "LOCAL", "http://127.0.0.1:9/api")
    with temporary_settings(restore_defaults={PREFECT_API_URL}), server.nearest_server():
        assert PREFECT_API_URL.value() is None
    assert "make server" in capsys.readouterr().out
