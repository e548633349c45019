"""What a client sends: a multipart form with films, read within limits, in memory, with no file left behind.

BentoML's own reading of forms would fetch an address that stands where a file should, and answers a malformed form
with status 500; so that these forms read themselves.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import bentoml
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

MOST_BYTES = 64 * 2**20
MOST_DRAINED = 4 * MOST_BYTES
MOST_FILES = 100
USUAL_OPACITY = 0.6


@dataclass(frozen=True)
class Fault:
    """Why a request cannot be answered: an HTTP status from 400 to 499, and a sentence."""

    status: int
    sentence: str


@dataclass(frozen=True)
class Received:
    """What a form held: the bytes of its films in order, its text fields, or why it could not be read."""

    films: tuple[bytes, ...] = ()
    fields: tuple[tuple[str, str], ...] = ()
    fault: Fault | None = None


class _TooLarge(MultiPartException):
    """The body is larger than a form may be."""


class FilmForm(bentoml.IODescriptor):
    """A form with one film."""

    image: Path

    @classmethod
    async def from_http_request(cls, request: Request, serde: Any) -> Self:
        """Read the form; what is wrong with it is kept in it."""
        return cls.model_construct(image=await receive(request, "image"))


class ExplainForm(FilmForm):
    """A form with one film, and how opaque its heatmap shall be, in [0, 1]."""

    opacity: float = USUAL_OPACITY

    @classmethod
    async def from_http_request(cls, request: Request, serde: Any) -> Self:
        """Read the form; the opacity may also stand in the address, as `?opacity=0.4`."""
        received = await receive(request, "image")
        asked = dict(received.fields).get("opacity", request.query_params.get("opacity", str(USUAL_OPACITY)))
        opacity = _share(asked)
        if opacity is None and received.fault is None:
            received = _refused(400, f"The opacity is {asked[:40]!r}. Expected a number from 0 to 1.")
        return cls.model_construct(image=received, opacity=opacity)


class BatchForm(bentoml.IODescriptor):
    """A form with several films."""

    images: list[Path]

    @classmethod
    async def from_http_request(cls, request: Request, serde: Any) -> Self:
        """Read the form; what is wrong with it is kept in it."""
        return cls.model_construct(images=await receive(request, None))


class NoForm(bentoml.IODescriptor):
    """Nothing is asked for, and what is sent is not read."""

    @classmethod
    async def from_http_request(cls, request: Request, serde: Any) -> Self:
        """An empty input."""
        return cls()


async def receive(request: Request, field: str | None) -> Received:
    """Read a multipart form.

    Args:
        field: name of the one file that is expected; None takes every file, in order.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "multipart/form-data":
        await _drain(request)
        return _refused(415, f"The request is {kind or 'of no content type'}. Send multipart/form-data.")
    parser = MultiPartParser(request.headers, _limited(request), max_files=MOST_FILES, max_fields=MOST_FILES)
    parser.spool_max_size = MOST_BYTES  # films stay in memory, so that none is ever written to a disk
    try:
        form = await parser.parse()
    except _TooLarge as error:
        await _drain(request)
        return _refused(413, error.message)
    except (MultiPartException, ClientDisconnect, KeyError, ValueError) as error:
        return _refused(400, f"The form cannot be read ({_reason(error)}). Send multipart/form-data with a film.")
    try:
        return await _films(form, field)
    finally:
        await form.close()


async def _films(form: FormData, field: str | None) -> Received:
    files = [(name, value) for name, value in form.multi_items() if isinstance(value, UploadFile)]
    texts = tuple((name, value) for name, value in form.multi_items() if isinstance(value, str))
    wanted = [file for name, file in files if field in (None, name)]
    if field is not None and len(wanted) > 1:
        return _refused(400, f"The form has {len(wanted)} files '{field}'. Send one, or ask /predict_batch.")
    if field is not None and not wanted and field in dict(texts):
        return _refused(400, f"The field '{field}' is text. Send the film as a file.")
    if not wanted:
        names = ", ".join(f"'{name[:40]}'" for name, _ in form.multi_items()[:5]) or "nothing"
        return _refused(400, f"The form has no file '{field or 'images'}' (it has: {names}). Send the film as a file.")
    return Received(tuple([await file.read() for file in wanted]), texts)


async def _limited(request: Request) -> AsyncGenerator[bytes, None]:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > MOST_BYTES:
        raise _TooLarge(_too_large(int(declared)))
    total = 0
    async for chunk in request.stream():
        total += len(chunk)
        if total > MOST_BYTES:
            raise _TooLarge(_too_large(total))
        yield chunk


def _share(text: str) -> float | None:
    """The number from 0 to 1 that a text says, if it does."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 <= number <= 1 else None


def _too_large(size: int) -> str:
    return f"The request has {size / 2**20:.0f} MiB or more. Expected at most {MOST_BYTES // 2**20} MiB."


async def _drain(request: Request) -> None:
    """Let the client finish, since one that is cut off while it sends never reads its answer."""
    total = 0
    while total < MOST_DRAINED:
        message = await request.receive()
        total += len(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return


def _reason(error: Exception) -> str:
    return str(getattr(error, "message", "") or error or type(error).__name__).rstrip(".")


def _refused(status: int, sentence: str) -> Received:
    return Received(fault=Fault(status, sentence))
