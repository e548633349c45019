import asyncio
import json

import pytest
from starlette.responses import JSONResponse, PlainTextResponse, Response

from serving.refusals import OneShapeOfError


def through(app, path="/predict", method="POST"):
    """Status and body of an answer after it went through the middleware."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": path, "method": method, "headers": []}
    asyncio.run(OneShapeOfError(app)(scope, receive, send))
    body = b"".join(message.get("body", b"") for message in sent)
    length = dict(sent[0]["headers"]).get(b"content-length")
    assert length is None or int(length) == len(body)
    return sent[0]["status"], body


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (JSONResponse({"error": "It is empty."}, 400), "It is empty."),
        (JSONResponse([{"error": "It is empty"}], 400), "It is empty."),
        (JSONResponse({"error": "2 errors", "detail": [1]}, 400), "2 errors."),
        (PlainTextResponse("Too many", 429), "Too many."),
        (Response(status_code=418), "The request was answered with status 418."),
        (PlainTextResponse("Method Not Allowed", 405), "This address does not take this method."),
        (PlainTextResponse("Not Found", 404), "There is nothing at this address."),
    ],
)
def test_every_error_has_the_same_shape(answer, says):
    status, body = through(answer)
    said = json.loads(body)
    assert status == answer.status_code
    assert list(said) == ["error"]
    assert said["error"].startswith(says)


def test_what_is_no_error_is_passed_on():
    assert through(PlainTextResponse("fine")) == (200, b"fine")
