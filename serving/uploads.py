"""What a client sends: a multipart form with films, read within limits, in memory, with no file left behind.

BentoML's own reading of forms would fetch an address that stands where a file should, and answers a malformed form
with status 500; so that these forms read themselves. What a client wrote (names, texts) is never repeated in a fault,
since it may name a patient.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import bentoml
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from serving.body import Body, TooLargeError
from serving.settings import settings

MOST_FILES = 100
USUAL_OPACITY = 0.6
SIDES = (64, 4096)  # pixels of the longer side of an explanation that may be asked for


@dataclass(frozen=True)
class Fault:
    """Why a request cannot be answered: an HTTP status from 400 to 499, and a sentence."""

    status: int
    sentence: str


@dataclass(frozen=True)
class Received:
    """What a form held: the bytes of its films in order, its text fields, or why it could not be read."""

    films: tuple[bytes, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    fault: Fault | None = None


class _UnclearError(ValueError):
    """A field does not say what it must."""


class FilmForm(bentoml.IODescriptor):
    """A form with one film."""

    image: Path

    @classmethod
    async def from_http_request(cls, request: Request, serde: Any) -> Self:
        """Read the form; what is wrong with it is kept in it."""
        return cls.model_construct(image=await receive(request, "image"))


class ExplainForm(FilmForm):
    """A form with one film, and how its heatmap shall be drawn."""

    opacity: float = USUAL_OPACITY
    size: int | None = None
    window_center: float | None = None
    window_width: float | None = None

    @classmethod
    async def from_http_request(cls, request: Request, serde: Any) -> Self:
        """Read the form; what is asked for may also stand in the address, as `?opacity=0.4`."""
        received, asked = await receive(request, "image"), {}
        if received.fault is None:
            try:
                asked = _drawing({**request.query_params, **received.fields})
            except _UnclearError as error:
                received = _refused(400, str(error))
        return cls.model_construct(image=received, **asked)


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
    body = Body(request, settings().max_upload_mib * 2**20)
    if kind != "multipart/form-data":
        await body.drain()
        return _refused(415, "The request is no multipart/form-data. Send a form with the film as a file.")
    parser = MultiPartParser(request.headers, body.chunks(), max_files=MOST_FILES, max_fields=MOST_FILES)
    parser.spool_max_size = body.most  # films stay in memory, so that none is ever written to a disk
    try:
        form = await parser.parse()
    except TooLargeError as error:
        await body.drain()
        return _refused(413, error.message)
    except (MultiPartException, ClientDisconnect, KeyError, ValueError):
        await body.drain()
        return _refused(
            400, f"The form cannot be read, or has more than {MOST_FILES} files. Send multipart/form-data with a film."
        )
    try:
        return await _films(form, field)
    finally:
        await form.close()


async def _films(form: FormData, field: str | None) -> Received:
    files = [(name, value) for name, value in form.multi_items() if isinstance(value, UploadFile)]
    texts = {name: value for name, value in form.multi_items() if isinstance(value, str)}
    wanted = [file for name, file in files if field in (None, name)]
    if field is not None and len(wanted) > 1:
        return _refused(400, f"The form has {len(wanted)} files '{field}'. Send one, or ask /predict_batch.")
    if field is not None and not wanted and field in texts:
        return _refused(400, f"The field '{field}' is text. Send the film as a file.")
    if not wanted:
        others = f"{len(files)} other files and {len(texts)} texts" if files or texts else "nothing"
        return _refused(400, f"The form has no file '{field or 'images'}', but {others}. Send the film as a file.")
    return Received(tuple([await file.read() for file in wanted]), texts)


def _drawing(asked: Mapping[str, str]) -> dict[str, Any]:
    opacity, size = _number(asked, "opacity", 0, 1), _number(asked, "size", *SIDES)
    centre, width = _number(asked, "window_center", -1e9, 1e9), _number(asked, "window_width", 1, 1e9)
    if (centre is None) != (width is None):
        raise _UnclearError("A window needs both window_center and window_width. Send both, or neither.")
    return {
        "opacity": USUAL_OPACITY if opacity is None else opacity,
        "size": None if size is None else round(size),
        "window_center": centre,
        "window_width": width,
    }


def _number(asked: Mapping[str, str], name: str, least: float, most: float) -> float | None:
    """The number that a field holds, None where there is no such field."""
    if name not in asked:
        return None
    try:
        number = float(asked[name])
    except ValueError:
        number = float("nan")
    if not least <= number <= most:
        raise _UnclearError(f"The field {name} is no number from {least:g} to {most:g}. Correct it, or leave it out.")
    return number


def _refused(status: int, sentence: str) -> Received:
    return Received(fault=Fault(status, sentence))
