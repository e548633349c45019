"""A small client of the prediction service.

Whatever goes wrong becomes an AskError: a sentence that can be shown, and of which kind it is, so that a customer knows
whether to ask again, to wait, or to leave that film.
"""

import base64
import binascii
from dataclasses import dataclass, fields
from types import TracebackType
from typing import Any, Literal, Self

import httpx

from pipelines.errors import ServiceError
from pipelines.notice import NOTICE

__all__ = ["LOCAL", "NOTICE", "AskError", "Client", "Example", "Explained", "Prediction", "Window"]

LOCAL = "http://127.0.0.1:3000"
UNSAID_WAIT = 2.0  # seconds, where a busy service does not say how long
Kind = Literal["film", "busy", "slow", "away", "key", "missing", "broken", "strange"]
KINDS: dict[int, Kind] = {401: "key", 403: "key", 404: "missing", 408: "slow", 429: "busy", 503: "busy", 504: "slow"}


class AskError(ServiceError):
    """The service did not give what it was asked for.

    Args:
        sentence: what happened, for people.
        kind: `film` (it refuses this film), `busy` (ask again after `wait` seconds), `slow` (no answer in time), `away`
            (nobody answers at the address), `key` (it asks for an API key), `missing` (it does not offer this),
            `broken` (it failed) or `strange` (what answers is no such service).
        request: under which name the service's log knows the request; None where it gave none.
        wait: seconds after which a busy service wants to be asked again.
    """

    def __init__(self, sentence: str, kind: Kind, request: str | None = None, wait: float = UNSAID_WAIT) -> None:
        super().__init__(sentence)
        self.kind = kind
        self.request = request
        self.wait = wait


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
        reason: a sentence that says why the film was refused; None where it was not, or where the service does not say.
    """

    label: str
    probability: float
    probabilities: dict[str, float]
    threshold: float | None
    decision: str
    familiarity: float
    model: dict[str, str]
    notice: str
    reason: str | None = None


@dataclass(frozen=True)
class Window:
    """Which grey levels of a DICOM film are shown, in its own units (after the modality LUT).

    Args:
        center: the level that is shown as middle grey.
        width: how many levels lie between black and white; above 0.
        lowest: the least level of the film.
        highest: the greatest level of the film.
    """

    center: float
    width: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class Explained:
    """A film with its heatmap as PNG, and the window in which it is shown; None where the film has none."""

    png: bytes
    window: Window | None


@dataclass(frozen=True)
class Example:
    """A film to try the service with: its name, the bytes of its file, and the label that it truly bears."""

    name: str
    film: bytes
    label: str


FIELDS = tuple(field.name for field in fields(Prediction))


class Client:
    """Asks a prediction service at an address."""

    def __init__(
        self,
        url: str = LOCAL,
        seconds: float = 30.0,
        key: str | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Remember the address; nothing is asked yet.

        Args:
            seconds: how long to wait for an answer.
            key: the API key, where the service asks for one.
            transport: what carries the requests, for tests.
        """
        self._url = url
        self._seconds = seconds
        headers = {"X-API-Key": key} if key else {}
        self._http = httpx.Client(base_url=url, timeout=seconds, headers=headers, transport=transport, trust_env=False)

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
        except (httpx.HTTPError, httpx.InvalidURL):
            return False

    def predict(self, film: bytes) -> Prediction:
        """The answer on one film.

        Args:
            film: the bytes of a picture file.
        Raises:
            AskError: the service is down, slow or busy, or refuses the film; the sentence is then the service's own.
        """
        values = self._json("/predict", files={"image": film})
        try:
            return Prediction(**{name: values[name] for name in FIELDS if name in values})
        except TypeError:
            raise self._strange() from None

    def explain(
        self, film: bytes, opacity: float, size: int | None = None, window: tuple[float, float] | None = None
    ) -> Explained:
        """The film with its heatmap.

        Args:
            opacity: of the hottest places, in [0, 1]; at 0 the film alone.
            size: the longest side in pixels; None leaves it to the service.
            window: center and width in which a DICOM film is shown; None means that of the film.
        Raises:
            AskError: as for `predict`.
        """
        data = {"opacity": str(opacity)}
        if size is not None:
            data["size"] = str(size)
        if window is not None:
            data |= {"window_center": str(window[0]), "window_width": str(window[1])}
        response = self._post("/explain", files={"image": film}, data=data)
        return Explained(response.content, _window(response.headers.get("Filmgate-Window", "")))

    def card(self) -> dict[str, Any]:
        """The card of the model that is served.

        Raises:
            AskError: as for `predict`.
        """
        return self._json("/card")

    def examples(self) -> tuple[Example, ...]:
        """Films to try the service with; none where it offers none.

        Raises:
            AskError: as for `predict`.
        """
        try:
            found = self._json("/examples")["examples"]
            return tuple(Example(one["name"], base64.b64decode(one["film"]), one["label"]) for one in found)
        except AskError as error:
            if error.kind == "missing":
                return ()
            raise
        except (KeyError, TypeError, binascii.Error):
            raise self._strange() from None

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
            sentence = f"The service at {self._url} did not answer within {self._seconds:g} seconds. Ask again."
            raise AskError(sentence, "slow") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            sentence = f"The service at {self._url} cannot be reached ({error}). Start it with `make serve`."
            raise AskError(sentence, "away") from None
        if not response.is_success:
            raise _refused(response, path)
        return response

    def _strange(self) -> AskError:
        return AskError(f"What answers at {self._url} is not filmgate's service. Check the address.", "strange")


def _refused(response: httpx.Response, path: str) -> AskError:
    status = response.status_code
    kind = KINDS.get(status, "film" if 400 <= status < 500 else "broken")
    sentence = _said(response) or f"The service answered {path} with status {status}."
    return AskError(sentence, kind, response.headers.get("X-Request-ID"), _seconds(response.headers))


def _seconds(headers: httpx.Headers) -> float:
    """How long a busy service wants to be left alone; it may also name a date, which is not read."""
    try:
        return max(float(headers["Retry-After"]), 0.0)
    except (KeyError, ValueError):
        return UNSAID_WAIT


def _window(text: str) -> Window | None:
    """The window that four numbers describe."""
    try:
        center, width, lowest, highest = map(float, text.split())
    except ValueError:
        return None
    return Window(center, width, lowest, highest)


def _said(response: httpx.Response) -> str | None:
    """The sentence with which the service refused."""
    try:
        values = response.json()
    except ValueError:
        return None
    return str(values["error"]) if isinstance(values, dict) and "error" in values else None
