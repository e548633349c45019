"""The BentoML service: HTTP in front of `serving.engine`, the same for every recipe.

The model is the one that its bento names in `serving/released.json`, a tag in BentoML's model store. With a file that
is not the released one, or a reference film that is answered differently, the service does not start.

BentoML's own limits, access log and metrics are off: they answer an overload with 429 and a time-out with 504, and
write down whatever address a client asks for. `serving.admission` and `serving.metrics` stand in their place.
"""

import sys
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import Any

import bentoml
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipelines.errors import FilmgateError, ImageError, ReleaseError
from serving.admission import REQUEST_ID, Admission
from serving.engine import Engine
from serving.metrics import Metrics
from serving.openapi import CALLS, document
from serving.process import ENVIRONMENT
from serving.reference import Released, read_note, released
from serving.refusals import App, OneShapeOfError, refusal
from serving.runtime import Drawing
from serving.settings import MOST_SECONDS, settings
from serving.uploads import BatchForm, ExplainForm, FilmForm, NoForm, Received

NOTE = Path(__file__).with_name("released.json")
METRICS = Metrics()


@cache
def opened() -> Released:
    """The released model, proven to be that and to answer its reference films as it did.

    Raises:
        ReleaseError: this is no bento, its model is missing or was changed, it answers differently, or a setting of
            the environment is wrong.
    """
    limits, note = settings(), read_note(NOTE)
    try:
        folder = Path(bentoml.models.get(note.model).path)
    except bentoml.exceptions.NotFound:
        raise ReleaseError(f"The model {note.model} is not in BentoML's store. Import the bento again.") from None
    return released(folder, note, limits)


@bentoml.service(
    name="filmgate",
    workers=1,
    traffic={"timeout": MOST_SECONDS + 5, "max_concurrency": None},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    envs=[{"name": name, "value": value} for name, value in ENVIRONMENT.items()],
)
class FilmService:
    """Classifies medical films and shows on what it looked. For research use only."""

    def __init__(self) -> None:
        self._released = opened()
        self._engine = Engine(self._released.predictor, settings(), METRICS)
        METRICS.serve(self._released.predictor.card)

    @bentoml.on_deployment
    @staticmethod
    def check_model() -> None:
        """Prove the model before any worker starts, since a worker that fails would be started again and again."""
        try:
            opened()
        except FilmgateError as error:
            sys.exit(f"error: {error}")
        opened.cache_clear()  # this process only watches over the one that will answer

    @bentoml.on_shutdown
    def close(self) -> None:
        """Give threads and files back."""
        self._engine.close()

    @bentoml.api(input_spec=FilmForm)
    async def predict(self, image: Received) -> Any:
        """Classify one film: JPEG, PNG or DICOM, in the field `image`."""

        async def work() -> Response:
            return JSONResponse(await self._engine.predict(image.films[0], REQUEST_ID.get(), "/predict"))

        return await answered(image, work)

    @bentoml.api(input_spec=ExplainForm)
    async def explain(
        self,
        image: Received,
        opacity: float,
        size: int | None,
        window_center: float | None,
        window_width: float | None,
    ) -> Any:
        """The film with its heatmap as PNG, as opaque, as large and through the window that was asked for."""
        window = None if window_center is None or window_width is None else (window_center, window_width)

        async def work() -> Response:
            png, film = await self._engine.explain(image.films[0], Drawing(opacity, size), window)
            headers = {"filmgate-window": " ".join(f"{value:g}" for value in film.window)} if film.window else None
            return Response(png, media_type="image/png", headers=headers)

        return await answered(image, work)

    @bentoml.api(input_spec=BatchForm)
    async def predict_batch(self, images: Received) -> Any:
        """Classify several films; a list of answers in their order, where a bad film has `error` instead."""

        async def work() -> Response:
            answers = await self._engine.predict_each(images.films, REQUEST_ID.get(), "/predict_batch")
            return JSONResponse(answers)

        return await answered(images, work)

    @bentoml.api(input_spec=NoForm)
    async def card(self) -> Any:
        """The card of the model, and what its release says of it."""
        return JSONResponse(self._released.card)

    @bentoml.api(input_spec=NoForm)
    async def examples(self) -> Any:
        """Films to try, each with the answer that the model gave at its release."""
        return JSONResponse({"examples": [example.as_json() for example in self._released.examples]})


async def answered(received: Received, work: Callable[[], Awaitable[Response]]) -> Response:
    """Do the work on what was received, or say why it cannot be done."""
    if received.fault is not None:
        return refusal(received.fault.status, received.fault.sentence)
    try:
        return await work()
    except ImageError as error:
        return refusal(422, str(error))


async def metrics(request: Request) -> Response:
    """What can be watched, for Prometheus."""
    return Response(METRICS.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def documentation(request: Request) -> Response:
    """What can be asked, as OpenAPI."""
    return JSONResponse(document(settings()))


def cors(app: App) -> App:
    """Let the web pages of the settings ask, and read what the service says beside its answers."""
    if not (origins := settings().origins):
        return app
    seen = ["X-Request-ID", "Retry-After", "Filmgate-Window"]
    return CORSMiddleware(app, allow_origins=origins, allow_methods=["*"], allow_headers=["*"], expose_headers=seen)


def admission(app: App) -> App:
    """The door, with the limits of the settings."""
    return Admission(app, settings(), METRICS, CALLS)


for layer in (cors, admission, OneShapeOfError):  # from the outermost inwards
    FilmService.add_asgi_middleware(layer)  # type: ignore[attr-defined]  # the decorator made it a service
FilmService.mount_asgi_app(  # type: ignore[attr-defined]
    Starlette(routes=[Route("/metrics", metrics), Route("/docs.json", documentation)])
)
