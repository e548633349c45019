import asyncio
import json
import logging
import re
from uuid import UUID

import pytest
from starlette.responses import PlainTextResponse

from serving.admission import Admission
from serving.metrics import Metrics
from serving.settings import Settings

FILM = "POST", "/predict"


class Door:
    """A door in front of an app, and what came back from each request."""

    def __init__(self, app, **settings):
        self.metrics = Metrics()
        self._admission = Admission(app, Settings(**settings), self.metrics, ("/predict",))

    async def ask(self, method="POST", path="/predict", headers=(), body=(b"film",), pause=0.0):
        """Status, headers and body of the answer."""
        sent, pieces = [], list(body)

        async def receive():
            await asyncio.sleep(pause)
            return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

        async def send(message):
            sent.append(message)

        named = {"content-length": str(sum(map(len, body))), **dict(headers)}
        raw = [(name.encode(), value.encode()) for name, value in named.items()]
        scope = {"type": "http", "path": path, "method": method, "headers": raw}
        await self._admission(scope, receive, send)
        told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], told, b"".join(message.get("body", b"") for message in sent)

    def one(self, **request):
        """The answer to one request."""
        return asyncio.run(self.ask(**request))

    def count(self, line):
        """The value of a line of the metrics."""
        return float(re.search(rf"^{re.escape(line)} (\S+)$", self.metrics.text().decode(), re.MULTILINE)[1])


async def reads(scope, receive, send):
    while (await receive())["more_body"]:
        pass
    await PlainTextResponse("read")(scope, receive, send)


def sentence(body):
    said = json.loads(body)
    assert list(said) == ["error"]
    assert said["error"].endswith(".")
    return said["error"]


def test_every_answer_has_an_id_of_its_own():
    door = Door(reads)
    ids = {door.one()[1]["x-request-id"] for _ in range(3)}
    assert len({UUID(found) for found in ids}) == 3


def test_a_clients_id_is_taken_where_it_is_a_uuid_and_so_names_nobody():
    known = "0b7e7a52-6f5e-4f0c-8b0a-6a2f3f1d9a11"
    assert Door(reads).one(headers={"x-request-id": known})[1]["x-request-id"] == known
    assert Door(reads).one(headers={"x-request-id": "DOE^JANE"})[1]["x-request-id"] != "DOE^JANE"


@pytest.mark.parametrize("headers", [{}, {"x-api-key": "wrong"}, {"authorization": "Basic secret"}])
def test_without_the_key_nothing_is_answered(headers):
    door = Door(reads, api_key="secret")
    status, _, body = door.one(headers=headers)
    assert status == 401
    assert "X-API-Key" in sentence(body)
    assert door.count('filmgate_rejections_total{reason="key"}') == 1


@pytest.mark.parametrize("headers", [{"x-api-key": "secret"}, {"authorization": "Bearer secret"}])
def test_the_key_opens(headers):
    assert Door(reads, api_key="secret").one(headers=headers)[0] == 200


def test_health_needs_no_key():
    assert Door(reads, api_key="secret").one(method="GET", path="/readyz")[0] == 200


def test_beyond_the_limit_a_request_is_told_to_come_again():
    inside = asyncio.Event()

    async def waits(scope, receive, send):
        await inside.wait()
        await PlainTextResponse("done")(scope, receive, send)

    async def crowd():
        door = Door(waits, max_in_flight=2)
        first = [asyncio.ensure_future(door.ask()) for _ in range(2)]
        await asyncio.sleep(0)
        late = await door.ask()
        assert door.count("filmgate_in_flight") == 2
        inside.set()
        assert [answer[0] for answer in await asyncio.gather(*first)] == [200, 200]
        assert door.count("filmgate_in_flight") == 0
        return late, await door.ask(), door

    late, later, door = asyncio.run(crowd())
    assert late[0] == 503
    assert late[1]["retry-after"] == "1"
    assert "busy" in sentence(late[2])
    assert later[0] == 200
    assert door.count('filmgate_rejections_total{reason="busy"}') == 1


def test_films_in_flight_hold_no_more_memory_than_they_may():
    inside = asyncio.Event()

    async def waits(scope, receive, send):
        await inside.wait()
        await PlainTextResponse("done")(scope, receive, send)

    async def crowd():
        door = Door(waits, max_upload_mib=3, max_in_flight_mib=4)
        first = asyncio.ensure_future(door.ask(headers={"content-length": str(3 * 2**20)}))
        await asyncio.sleep(0)
        late = await door.ask(headers={"content-length": str(2 * 2**20)})
        inside.set()
        await first
        return late[0]

    assert asyncio.run(crowd()) == 503


def test_what_is_declared_too_large_is_refused_before_it_is_read():
    status, _, body = Door(reads, max_upload_mib=1).one(headers={"content-length": str(5 * 2**20)})
    assert status == 413
    assert sentence(body) == "The request has 5 MiB or more. Expected at most 1 MiB."


def test_an_answer_that_takes_too_long_is_broken_off():
    async def hangs(scope, receive, send):
        await receive()
        await asyncio.sleep(60)

    door = Door(hangs, max_seconds=0.05)
    status, headers, body = door.one()
    assert (status, headers["retry-after"]) == (503, "1")
    assert "longer than 0.05 seconds" in sentence(body)
    assert door.count("filmgate_in_flight") == 0


def test_a_film_that_trickles_in_is_broken_off():
    status, _, body = Door(reads, max_seconds=0.1).one(body=[b"f"] * 20, pause=0.02)
    assert status == 408
    assert "did not arrive within 0.1 seconds" in sentence(body)


def test_a_server_that_is_to_end_asks_for_no_more(monkeypatch):
    assert "connection" not in Door(reads).one()[1]
    monkeypatch.setattr(Admission, "draining", True)
    assert Door(reads).one()[1]["connection"] == "close"


def test_the_log_has_id_call_and_status_and_nothing_that_the_client_wrote(caplog):
    caplog.set_level(logging.INFO, "bentoml.filmgate")
    door = Door(reads)
    _, headers, _ = door.one(headers={"user-agent": "DOE^JANE", "x-request-id": "DOE^JANE"})
    door.one(method="GET", path="/DOE^JANE")
    (line,) = [record.getMessage() for record in caplog.records]
    assert re.fullmatch(rf"request={headers['x-request-id']} call=/predict status=200 ms=\d+", line)
    assert "DOE" not in door.metrics.text().decode()
    assert door.count('filmgate_requests_total{call="other",status="200"}') == 1
