"""One shape for everything that is refused.

Whatever refuses a request (this service, BentoML or the router below it), the client reads {"error": one sentence}.
"""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


def refusal(status: int, sentence: str) -> JSONResponse:
    """The answer to a request that cannot be served."""
    return JSONResponse({"error": sentence}, status)


class OneShapeOfError:
    """ASGI middleware that gives every answer with a status of 400 or more the form {"error": sentence}."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass everything on, errors rewritten."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        start: Message = {}
        body = bytearray()

        async def rewriting(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and message["status"] >= 400:
                start = message
            elif start and message["type"] == "http.response.body":
                body.extend(message.get("body", b""))
                if not message.get("more_body", False):
                    await _send_error(start, sentence(bytes(body), start["status"]), send)
            else:
                await send(message)

        return await self._app(scope, receive, rewriting)


def sentence(body: bytes, status: int) -> str:
    """What the body of an error says, as one sentence. The address is not repeated: it may name a patient."""
    if status == 404:
        return "There is nothing at this address. GET /docs.json lists what there is."
    if status == 405:
        return "This address does not take this method. GET /docs.json says what it takes."
    try:
        said = json.loads(body)
    except ValueError:
        return _ended(body.decode("utf-8", "replace").strip() or f"The request was answered with status {status}")
    if isinstance(said, list) and said:
        said = said[0]
    return _ended(str(said["error"]) if isinstance(said, dict) and "error" in said else str(said))


def _ended(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


async def _send_error(start: Message, text: str, send: Send) -> None:
    content = json.dumps({"error": text}).encode()
    headers = MutableHeaders(raw=list(start["headers"]))
    headers["content-type"], headers["content-length"] = "application/json", str(len(content))
    await send({**start, "headers": headers.raw})
    await send({"type": "http.response.body", "body": content})
