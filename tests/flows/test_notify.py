"""Messages to a real web server and a real mail server on this machine."""

import json
import socketserver
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import pytest

from flows.notify import about_failure, tell


@pytest.fixture
def webhook():
    """A web server that keeps what it is sent: its address for Apprise, and what came."""
    came = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            came.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"json://127.0.0.1:{server.server_port}/hook", came
        server.shutdown()


@pytest.fixture
def mailbox():
    """A mail server that speaks as much SMTP as it takes to hand in a letter."""
    letters = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile.write(b"220 here\r\n")
            lines, inside = [], False
            for line in self.rfile:
                if inside and line == b".\r\n":
                    letters.append(b"".join(lines).decode())
                    inside = False
                    self.wfile.write(b"250 taken\r\n")
                elif inside:
                    lines.append(line)
                elif line.upper().startswith(b"DATA"):
                    inside = True
                    self.wfile.write(b"354 go on\r\n")
                elif line.upper().startswith(b"QUIT"):
                    self.wfile.write(b"221 bye\r\n")
                    return
                else:
                    self.wfile.write(b"250 well\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        port = server.server_address[1]
        yield f"mailto://127.0.0.1:{port}?from=filmgate@example.org&to=ada@example.org", letters
        server.shutdown()


def failed(flow=None, flow_run=None, state=None):
    about_failure(
        flow=flow,
        flow_run=SimpleNamespace(name="retrain demo"),
        state=SimpleNamespace(name="Failed", message="The lower bound of sensitivity on test is 0.81."),
    )


def test_a_failed_run_is_told_by_webhook_and_by_mail_in_its_own_words(monkeypatch, webhook, mailbox):
    monkeypatch.setenv("FILMGATE_NOTIFY", f"{webhook[0]} {mailbox[0]}")
    failed()
    (message,) = webhook[1]
    assert (message["title"], message["message"]) == (
        "filmgate: retrain demo failed",
        "The lower bound of sensitivity on test is 0.81.",
    )
    (letter,) = mailbox[1]
    assert "retrain demo failed" in letter


def test_an_address_that_does_not_answer_or_is_none_is_said_and_stops_nothing(monkeypatch, capsys, webhook):
    for address in ("json://127.0.0.1:9/nobody", "no-address"):
        monkeypatch.setenv("FILMGATE_NOTIFY", f"{webhook[0]} {address}")
        assert not tell("a title", "a text")
        assert "not every address took the message 'a title'" in capsys.readouterr().out
    assert len(webhook[1]) == 2


def test_without_addresses_nobody_is_told(monkeypatch):
    monkeypatch.delenv("FILMGATE_NOTIFY", raising=False)
    assert tell("a title", "a text")
