"""Prefect's server under many requests at once, on SQLite: it goes on answering."""

import asyncio
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flows import prefect_server

ROOT = Path(__file__).resolve().parents[2]
HANGS = 30.0  # seconds without an answer; a server that stood still did so for sixty


def ask(address, body):
    """What is answered, asked again where the server says that it is busy, as Prefect's own clients do."""
    request = urllib.request.Request(address, json.dumps(body).encode(), {"Content-Type": "application/json"})
    while True:
        try:
            with urllib.request.urlopen(request, timeout=HANGS) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise
            time.sleep(0.05)


@pytest.mark.slow
def test_a_server_never_stands_still_while_several_clients_write(server):
    flow = ask(f"{server}/flows/", {"name": "busy"})["id"]

    def runs(number):
        for _ in range(number):
            run = ask(f"{server}/flow_runs/", {"flow_id": flow, "state": {"type": "PENDING"}})["id"]
            for kind in ("RUNNING", "COMPLETED"):
                state = ask(f"{server}/flow_runs/{run}/set_state", {"state": {"type": kind}})["state"]
                assert state["type"] == kind
        return number

    with ThreadPoolExecutor(4) as clients:
        assert sum(clients.map(runs, [40] * 4)) == 160


def test_garbage_is_collected_by_a_thread_of_its_own():
    told = subprocess.run(
        [sys.executable, "-c", COLLECTED], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert told.stdout == "garbage\n"


def test_a_refused_request_is_tried_again_with_its_body_until_it_is_taken():
    seen, sent = [], []

    async def app(scope, receive, send):
        body = b"".join([(await receive())["body"] for _ in range(2)])
        seen.append((scope["path"], body, (await receive())["type"]))
        scope["path"] = "changed by the application"
        await send({"type": "http.response.start", "status": 503 if len(seen) < 3 else 201})
        await send({"type": "http.response.body", "body": b"refused" if len(seen) < 3 else b"taken"})
        if len(seen) < 3:
            raise RuntimeError("what Starlette answered with 503, it raises for the log")

    asyncio.run(request(prefect_server.Again(app), sent))
    assert seen == [("/x", b"half and half", "http.disconnect")] * 3
    assert [(message.get("status"), message.get("body")) for message in sent] == [(201, None), (None, b"taken")]


def test_a_request_that_is_refused_again_and_again_is_told_so(monkeypatch):
    monkeypatch.setattr(prefect_server, "AGAIN", (0, 0))
    sent, tries = [], []

    async def app(scope, receive, send):
        tries.append(scope)
        await send({"type": "http.response.start", "status": 503})
        await send({"type": "http.response.body", "body": b"busy"})

    asyncio.run(request(prefect_server.Again(app), sent))
    assert len(tries) == 3
    assert [message.get("status") for message in sent] == [503, None]


async def request(app, sent):
    """A request in two parts, after which the client leaves."""
    parts = iter(
        [
            {"type": "http.request", "body": b"half ", "more_body": True},
            {"type": "http.request", "body": b"and half"},
        ]
    )

    async def receive():
        return next(parts, {"type": "http.disconnect"})

    async def send(message):
        sent.append(message)

    await app({"type": "http", "path": "/x"}, receive, send)


COLLECTED = """
import threading
import time
from flows import prefect_server

class Node:
    def __del__(self):
        print(threading.current_thread().name, flush=True)

prefect_server.PAUSE = 0.05
prefect_server.collect_apart()
node = Node()
node.self = node
del node
for _ in range(100000):
    [[] for _ in range(10)]
time.sleep(0.5)
"""
