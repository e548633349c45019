"""A live service as `serving.check` asks it, and the fault that a check ends with."""

import base64
import binascii
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from pipelines.errors import ServiceError

ATTEMPTS = 5  # of a request that is told to come again
SECONDS = 60.0  # that a service may take for an answer
LONGEST_WAIT = 5.0  # seconds between two of them
FOREIGN = "Look whether this is the address of a filmgate service, and whether a proxy answers in its place."


class CheckError(ServiceError):
    """A check failed: what was found, what is expected, and what to do."""

    def __init__(self, found: str, expected: str, do: str) -> None:
        super().__init__(f"{found}. Expected {expected}. {do}")


@dataclass(frozen=True)
class Example:
    """A reference film: its name, its bytes, and what the released model said of it."""

    name: str
    film: bytes
    answer: Mapping[str, Any]


class Live:
    """Asks a service, and asks again where it is busy with other people's films."""

    def __init__(self, url: str, key: str | None, transport: httpx.BaseTransport | None = None) -> None:
        """Remember the address; nothing is asked yet.

        Args:
            key: the API key, where the service asks for one.
            transport: what carries the requests, for tests.
        Raises:
            ServiceError: this is no address.
        """
        self._url = url
        try:
            self._http = httpx.Client(
                base_url=url,
                headers={"X-API-Key": key} if key else {},
                timeout=httpx.Timeout(SECONDS, connect=10.0),
                transport=transport,
                trust_env=False,
                verify=_certificates(url),
                limits=httpx.Limits(max_connections=None),
            )
        except (httpx.InvalidURL, ValueError) as error:
            raise ServiceError(
                f"{url!r} is no address ({error}). Expected one such as http://127.0.0.1:3000."
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._http.close()

    def reach(self) -> None:
        """Make sure that somebody answers at all.

        Raises:
            ServiceError: nobody does.
        """
        try:
            self._http.get("/livez")
        except httpx.HTTPError as error:
            raise ServiceError(
                f"Nobody answers at {self._url} ({reason(error)}). Start the service, or correct the address."
            ) from None

    def send(self, method: str, path: str, **content: Any) -> httpx.Response:
        """One request, whatever it is answered with.

        Raises:
            CheckError: there is no answer.
        """
        try:
            return self._http.request(method, path, **content)
        except httpx.HTTPError as error:
            raise CheckError(
                f"{path} gave no answer ({reason(error)})", f"one within {SECONDS:g} seconds", "Read the service's log."
            ) from None

    def ask(self, method: str, path: str, status: int = 200, **content: Any) -> httpx.Response:
        """The answer to a request, which is sent again while the service is busy.

        Raises:
            CheckError: there is no answer, or its status is another one.
            ServiceError: the API key is missing or wrong, so that nothing more can be checked.
        """
        for attempt in range(ATTEMPTS):
            answer = self.send(method, path, **content)
            if answer.status_code != 503 or attempt == ATTEMPTS - 1:
                break
            time.sleep(wait(answer))
        if answer.status_code == 401 and status != 401:
            raise ServiceError("The service asks for an API key, and for another one. Set FILMGATE_API_KEY to its own.")
        if answer.status_code != status:
            raise CheckError(f"{path} has status {answer.status_code}", str(status), advice(answer.status_code))
        return answer

    def json(self, method: str, path: str, status: int = 200, **content: Any) -> Any:
        """The same, read as JSON.

        Raises:
            CheckError: also, the answer is no JSON.
        """
        answer = self.ask(method, path, status, **content)
        try:
            return answer.json()
        except ValueError:
            raise CheckError(f"{path} gave {kind(answer)}", "JSON", FOREIGN) from None

    def examples(self) -> list[Example]:
        """The reference films.

        Raises:
            CheckError: there are none, or they cannot be read.
        """
        said = self.json("POST", "/examples")
        try:
            films = [
                Example(str(one["name"]), base64.b64decode(one["film"], validate=True), one["answer"])
                for one in said["examples"]
            ]
        except (TypeError, KeyError, binascii.Error) as error:
            raise CheckError(
                f"The reference films cannot be read ({error!r})", "name, film and answer", FOREIGN
            ) from None
        if not films:
            raise CheckError("There are no reference films", "one of each label", "Release the model again.")
        return films


def _certificates(url: str) -> ssl.SSLContext | bool:
    """The certificates that this machine trusts, or SSL_CERT_FILE; reading them takes as long as all else."""
    return ssl.create_default_context() if url.lower().startswith("https:") else False


def kind(answer: httpx.Response) -> str:
    """What an answer says it is."""
    return answer.headers.get("content-type", "something of no kind").split(";")[0]


def wait(answer: httpx.Response) -> float:
    """Seconds after which a busy service wants to be asked again."""
    said = answer.headers.get("retry-after", "")
    return min(float(said), LONGEST_WAIT) if said.isdigit() else 1.0


def reason(error: Exception) -> str:
    """What stopped a request, without the full stop of it."""
    return str(error).rstrip(".") or type(error).__name__


def advice(status: int) -> str:
    """What to do about a status that should not be."""
    if status == 503:
        return "The service is busy or not ready: try again later, or give it more replicas."
    if status >= 500:
        return "Read the service's log, and the one of what stands before it."
    return FOREIGN
