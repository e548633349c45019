"""The door of the service: who comes in, how many at a time, for how long; and what is written of it.

Every request gets an id, which stands in its answer and in the logs. What a client wrote (address, names, headers) is
never written down, since it may name a patient.
"""

import asyncio
import hmac
import logging
import time
from collections.abc import Sequence
from contextvars import ContextVar
from uuid import UUID, uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse

from serving.body import Body, too_large
from serving.metrics import Metrics
from serving.refusals import App, Message, Receive, Send, refusal
from serving.settings import Settings

RETRY_SECONDS = 1
CLIENT_LEFT = 499  # no answer was sent, as nginx writes it down
LOG = logging.getLogger("bentoml.filmgate")  # below BentoML's own, so that `bentoml serve` shows it too
REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
REASONS = {400: "form", 401: "key", 408: "slow", 413: "size", 415: "form", 422: "film", 503: "busy"}


class Admission:
    """ASGI middleware in front of all calls."""

    draining = False  # the process was told to end: it still answers what comes, and asks for no more

    def __init__(self, app: App, settings: Settings, metrics: Metrics, calls: Sequence[str]) -> None:
        """Nobody is in yet.

        Args:
            calls: the paths that are answered within limits, all POST.
        """
        self._app, self._settings, self._metrics, self._calls = app, settings, metrics, frozenset(calls)
        self._inside, self._held = 0, 0  # requests, and the bytes that they may bring

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass a request on, or say why not."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        begun, headers = time.perf_counter(), Headers(scope=scope)
        REQUEST_ID.set(request_id(headers))
        answer = _Answer(send)
        try:
            if scope["path"] in self._calls and scope["method"] == "POST":
                await self._let_in(scope, headers, receive, answer)
            else:
                await self._app(scope, receive, answer)
        finally:
            self._write(scope["path"], answer.status or CLIENT_LEFT, time.perf_counter() - begun)
        return None

    async def _let_in(self, scope: Message, headers: Headers, receive: Receive, answer: "_Answer") -> None:
        most = self._settings.max_upload_mib * 2**20
        size = declared_size(headers, most)
        if (refused := self._objection(headers, size, most)) is not None:
            await Body(Request(scope, receive), most).drain()
            return await refused(scope, receive, answer)
        self._enter(1, size)
        try:
            await self._in_time(scope, receive, answer)
        finally:
            self._enter(-1, -size)
        return None

    def _enter(self, requests: int, size: int) -> None:
        self._inside += requests
        self._held += size
        self._metrics.in_flight.set(self._inside)

    def _objection(self, headers: Headers, size: int, most: int) -> JSONResponse | None:
        limits = self._settings
        if limits.api_key and not hmac.compare_digest(key_of(headers).encode(), limits.api_key.encode()):
            return refusal(401, "The API key is missing or wrong. Send the right one as X-API-Key.")
        if size > most:
            return refusal(413, too_large(size, most))
        if self._inside >= limits.max_in_flight or self._held + size > limits.max_in_flight_mib * 2**20:
            return busy("The service is busy with other films")
        return None

    async def _in_time(self, scope: Message, receive: Receive, answer: "_Answer") -> None:
        arrived = False

        async def watched() -> Message:
            nonlocal arrived
            message = await receive()
            arrived = arrived or not message.get("more_body", False)
            return message

        limit = self._settings.max_seconds
        try:
            async with asyncio.timeout(limit):
                return await self._app(scope, watched, answer)
        except TimeoutError:
            if answer.status:  # too late to say anything else
                raise
        late = busy(f"The answer took longer than {limit:g} seconds")
        slow = refusal(408, f"The film did not arrive within {limit:g} seconds. Send a smaller one, or more quickly.")
        await (late if arrived else slow)(scope, receive, answer)
        return None

    def _write(self, path: str, status: int, seconds: float) -> None:
        call = path if path in self._calls else "other"
        self._metrics.request(call, status, seconds)
        if call == "other":
            return  # health, metrics and documentation are asked for all the time
        if status in REASONS:
            self._metrics.reject(REASONS[status])
        LOG.info("request=%s call=%s status=%d ms=%.0f", REQUEST_ID.get(), call, status, 1000 * seconds)


class _Answer:
    """Sends an answer on, with the request's id, and without keeping the connection of a server that is to end."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(raw=list(message["headers"]))
            headers["x-request-id"] = REQUEST_ID.get()
            if Admission.draining:
                headers["connection"] = "close"
            message = {**message, "headers": headers.raw}
        await self._send(message)


def request_id(headers: Headers) -> str:
    """The client's X-Request-ID where that is a UUID, and so names nobody; else a new one."""
    try:
        return str(UUID(headers.get("x-request-id", "")))
    except ValueError:
        return str(uuid4())


def declared_size(headers: Headers, most: int) -> int:
    """Bytes that a request says it has; without a word of it, as many as it may have."""
    declared = headers.get("content-length", "")
    return int(declared) if declared.isdigit() and len(declared) < 20 else most


def key_of(headers: Headers) -> str:
    """The API key that a client sent, as X-API-Key or as a bearer token (RFC 6750)."""
    return headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")


def busy(found: str) -> JSONResponse:
    """That a request may be repeated soon."""
    answer = refusal(503, f"{found}. Ask again in a moment.")
    answer.headers["retry-after"] = str(RETRY_SECONDS)
    return answer
