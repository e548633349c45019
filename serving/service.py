"""The BentoML service: HTTP in front of `serving.runtime`, the same for every recipe.

The model is the one that its bento names in `serving/model.txt`, a tag in BentoML's model store. Without it, or with a
model file that is not the one of its card, the service does not start.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bentoml
from starlette.responses import JSONResponse, Response

from pipelines.errors import ImageError, ReleaseError
from serving.answers import Prediction
from serving.refusals import OneShapeOfError, refusal
from serving.runtime import Predictor
from serving.uploads import BatchForm, ExplainForm, FilmForm, NoForm, Received

# Nothing is reported to the makers of BentoML and ONNX Runtime, in a container neither.
QUIET = {"BENTOML_DO_NOT_TRACK": "true", "ORT_DISABLE_TELEMETRY": "1"}
MODEL_NAME_FILE = Path(__file__).with_name("model.txt")


def model_folder() -> Path:
    """Folder of the model that this bento was built with.

    Raises:
        ReleaseError: this is no bento, or its model is missing.
    """
    if not MODEL_NAME_FILE.is_file():
        raise ReleaseError(f"There is no {MODEL_NAME_FILE}. Serve a released bento: python -m serving.serve.")
    tag = MODEL_NAME_FILE.read_text(encoding="utf-8").strip()
    try:
        return Path(bentoml.models.get(tag).path)
    except bentoml.exceptions.NotFound:
        raise ReleaseError(f"The bento's model {tag} is not in BentoML's store. Import the bento again.") from None


@bentoml.service(
    name="filmgate",
    workers=1,
    threads=2,
    traffic={"timeout": 60, "max_concurrency": 16},
    envs=[{"name": name, "value": value} for name, value in QUIET.items()],
)
class FilmService:
    """Classifies medical films and shows on what it looked. For research use only."""

    def __init__(self) -> None:
        self._predictor = Predictor(model_folder())

    @bentoml.on_deployment
    @staticmethod
    def check_model() -> None:
        """Open the model once before any worker starts, since a worker that fails would be started again and again.

        Raises:
            ReleaseError: the model is missing or was changed.
        """
        Predictor(model_folder())

    @bentoml.api(input_spec=FilmForm, output_spec=Prediction)
    def predict(self, image: Received) -> Any:
        """Classify one film: JPEG, PNG or DICOM, in the field `image`."""
        return answer(image, lambda: Prediction(**self._predictor.predict(image.films[0])))

    @bentoml.api(input_spec=ExplainForm)
    def explain(self, image: Received, opacity: float) -> Any:
        """The film with its heatmap as PNG; `opacity` from 0 to 1, by default 0.6."""
        return answer(image, lambda: Response(self._predictor.explain(image.films[0], opacity), media_type="image/png"))

    @bentoml.api(input_spec=BatchForm)
    def predict_batch(self, images: Received) -> Any:
        """Classify several films; a list of answers in their order, where a bad film has `error` instead."""
        return answer(images, lambda: JSONResponse(self._predictor.predict_each(images.films)))

    @bentoml.api(input_spec=NoForm)
    def card(self) -> Any:
        """The card of the model."""
        return Response(self._predictor.card.model_dump_json(), media_type="application/json")


def answer(received: Received, work: Callable[[], Any]) -> Any:
    """Do the work on what was received, or say why it cannot be done."""
    if received.fault is not None:
        return refusal(received.fault.status, received.fault.sentence)
    try:
        return work()
    except ImageError as error:
        return refusal(422, str(error))


FilmService.add_asgi_middleware(OneShapeOfError)  # type: ignore[attr-defined]  # the decorator made it a service
