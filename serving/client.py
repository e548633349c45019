"""A small client of the prediction service. Whatever goes wrong becomes a ServiceError whose sentence can be shown."""

from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from pipelines.errors import ServiceError
from pipelines.notice import NOTICE

__all__ = ["LOCAL", "NOTICE", "Client", "Prediction"]

LOCAL = "http://127.0.0.1:3000"


@dataclass(frozen=True)
class Prediction:
    """The answer on one film.

    Args:
        probability: of the positive class; with more than two classes, of the label.
        probabilities: of every class.
        threshold: probability from which the decision is positive; None with more than two classes.
        decision: `positive`, `negative`, `refer` or `refused`; with more than two classes the label or `refused`.
        familiarity: share of validation films that were at least as unusual, in [0, 1].
        model: `recipe`, `version` and `sha256`.
        notice: what must stand beside the answer.
    """

    label: str
    probability: float
    probabilities: dict[str, float]
    threshold: float | None
    decision: str
    familiarity: float
    model: dict[str, str]
    notice: str


class Client:
    """Asks a prediction service at an address."""

    def __init__(self, url: str = LOCAL, seconds: float = 30.0, transport: httpx.BaseTransport | None = None) -> None:
        """Remember the address; nothing is asked yet.

        Args:
            seconds: how long to wait for an answer.
            transport: what carries the requests, for tests.
        """
        self._url = url
        self._seconds = seconds
        self._http = httpx.Client(base_url=url, timeout=seconds, transport=transport, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def ready(self) -> bool:
        """Whether the service is there and ready to answer."""
        try:
            return self._http.get("/readyz", timeout=2.0).is_success
        except httpx.HTTPError:
            return False

    def predict(self, film: bytes) -> Prediction:
        """The answer on one film.

        Args:
            film: the bytes of a picture file.
        Raises:
            ServiceError: the service is down or slow, or refuses the film; the sentence is then the service's own.
        """
        try:
            return Prediction(**self._json("/predict", files={"image": film}))
        except TypeError:
            raise self._strange() from None

    def explain(self, film: bytes, opacity: float) -> bytes:
        """The film with its heatmap, as PNG.

        Args:
            opacity: of the hottest places, in [0, 1]; at 0 the film alone.
        Raises:
            ServiceError: as for `predict`.
        """
        return self._post("/explain", files={"image": film}, data={"opacity": str(opacity)}).content

    def card(self) -> dict[str, Any]:
        """The card of the model that is served.

        Raises:
            ServiceError: as for `predict`.
        """
        return self._json("/card")

    def _json(self, path: str, **content: Any) -> dict[str, Any]:
        try:
            values = self._post(path, **content).json()
        except ValueError:
            raise self._strange() from None
        if not isinstance(values, dict):
            raise self._strange()
        return values

    def _post(self, path: str, **content: Any) -> httpx.Response:
        try:
            response = self._http.post(path, **content)
        except httpx.TimeoutException:
            raise ServiceError(
                f"The service at {self._url} did not answer within {self._seconds:g} seconds. Try again in a moment."
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ServiceError(
                f"The service at {self._url} cannot be reached ({error}). Start it with `make serve`."
            ) from None
        if not response.is_success:
            raise ServiceError(_said(response) or f"The service answered {path} with status {response.status_code}.")
        return response

    def _strange(self) -> ServiceError:
        return ServiceError(f"What answers at {self._url} is not filmgate's service. Check the address.")


def _said(response: httpx.Response) -> str | None:
    """The sentence with which the service refused."""
    try:
        values = response.json()
    except ValueError:
        return None
    return str(values["error"]) if isinstance(values, dict) and "error" in values else None
