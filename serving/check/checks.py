"""Every check of a live service, with one line for each.

It asks as any client does, and needs nothing but the address: health, each call with its keys and types, the sentences
of its refusals, the films that the model answered at its release, and how quickly it answers. The exit status is 0
where all of it holds, else 1. An API key is taken from FILMGATE_API_KEY, so that it stands in no list of processes.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import uuid4

import httpx

from pipelines.sentences import in_one_sentence
from serving.check.contract import CARD, hold, png_size, prediction, refusal
from serving.check.latency import measure
from serving.check.live import FOREIGN, CheckError, Example, Live, kind

LARGEST_DIFFERENCE = 1e-3  # of a probability, between two machines
PAGES = ("/livez", "/readyz", "/metrics", "/docs.json")
CALLS = ("/predict", "/explain", "/predict_batch", "/card", "/examples")
TEXT = b"This is a sentence, and no film.\n"
INSIDE = "Ask the service itself where what stands before it keeps this address to itself."
Check = Callable[[], str]


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line.

    Args:
        seconds: how long latency is measured.
        requests: how many are with the service at a time.
        model: the version that must answer; None: any.
        key: the API key; None: there is none.
    """

    seconds: float
    requests: int
    model: str | None
    key: str | None


class Checks:
    """Every check of a service: each says in a few words what it saw, or raises a CheckError."""

    def __init__(self, live: Live, options: Options) -> None:
        self._live, self._options = live, options

    @cached_property
    def _examples(self) -> list[Example]:
        return self._live.examples()

    @cached_property
    def _model(self) -> dict[str, Any]:
        card: dict[str, Any] = self._live.json("POST", "/card")
        hold(card, CARD, "the card")
        return {name: card[name] for name in ("recipe", "version", "sha256")}

    def all(self) -> Iterator[tuple[str, Check]]:
        """Names and checks, in the order in which a fault is best understood."""
        yield "livez", lambda: self._health("/livez")
        yield "readyz", lambda: self._health("/readyz")
        yield "metrics", self._metrics
        yield "docs.json", self._documentation
        if self._options.key:
            yield "API key", self._key
        yield "card", self._card
        yield "predict", self._predict
        yield "predict_batch", self._predict_batch
        yield "explain", self._explain
        yield "request id", self._request_id
        yield "refuses a text file", lambda: self._refuses("/predict", 422, files={"image": ("film.png", TEXT)})
        yield "refuses what is no form", lambda: self._refuses("/predict", 415, json={"image": "film.png"})
        yield "refuses a form without image", lambda: self._refuses("/predict", 400, files={"film": TEXT})
        yield "refuses an unknown address", lambda: self._refuses(f"/{uuid4().hex}", 404)
        yield "reference films", self._reference
        yield "latency", self._latency

    def _health(self, path: str) -> str:
        begun = time.perf_counter()
        self._live.ask("GET", path)
        return f"answers within {1000 * (time.perf_counter() - begun):.0f} ms"

    def _metrics(self) -> str:
        answer = self._live.ask("GET", "/metrics")
        names = {line.split()[2] for line in answer.text.splitlines() if line.startswith("# TYPE ")}
        own = {name for name in names if name.startswith("filmgate_") and not name.endswith("_created")}
        if "filmgate_model_info" not in own:
            raise CheckError(f"/metrics gave {kind(answer)} without filmgate_model_info", "Prometheus' text", INSIDE)
        return f"{len(own)} metrics of its own"

    def _documentation(self) -> str:
        said = self._live.json("GET", "/docs.json")
        paths = said.get("paths", {}) if isinstance(said, dict) else {}
        if missing := [path for path in (*CALLS, *PAGES) if path not in paths]:
            raise CheckError(f"/docs.json does not describe {', '.join(missing)}", "OpenAPI with all calls", FOREIGN)
        return f"OpenAPI {said.get('openapi')} with {len(paths)} addresses"

    def _key(self) -> str:
        refusal(self._live.json("POST", "/card", 401, headers={"X-API-Key": ""}), "a request without a key")
        return "a request without it is refused (401)"

    def _card(self) -> str:
        found, wanted = self._model["version"], self._options.model
        if wanted is not None and found != wanted:
            raise CheckError(f"Version {found} answers", wanted, "Finish the roll-out, or correct --model.")
        return f"{self._model['recipe']} {found}"

    def _same_model(self, answer: dict[str, Any], what: str) -> None:
        if answer["model"] != self._model:
            raise CheckError(
                f"{what} comes from version {answer['model']['version']}",
                f"{self._model['version']}, as the card says",
                "If a roll-out is under way, check again at its end.",
            )

    def _predict(self) -> str:
        film = self._examples[0]
        answer = prediction(self._live.json("POST", "/predict", files={"image": film.film}), "the answer")
        self._same_model(answer, "The answer")
        return f"{answer['decision']}, probability {answer['probability']:.4f}"

    def _predict_batch(self) -> str:
        film = self._examples[0].film
        said = self._live.json("POST", "/predict_batch", files=[("images", film), ("images", TEXT), ("images", film)])
        if not isinstance(said, list) or len(said) != 3:
            count = len(said) if isinstance(said, list) else "no list of"
            raise CheckError(f"Three images gave {count} answers", "a list of three", FOREIGN)
        for entry in (said[0], said[2]):
            self._same_model(prediction(entry, "an answer of the batch"), "An answer of the batch")
        refusal(said[1], "the entry of a text file")
        return "a text file among three images spoils only its own entry"

    def _explain(self) -> str:
        film = self._examples[0].film
        drawn = png_size(self._live.ask("POST", "/explain", files={"image": film}).content, "the heatmap")
        if (expected := png_size(film, "the reference film")) != drawn:
            sizes = ["{} x {}".format(*size) for size in (drawn, expected)]
            raise CheckError(f"The heatmap has {sizes[0]} pixels", f"{sizes[1]}, as the film", FOREIGN)
        return "a PNG picture of {} x {} pixels, as the film".format(*drawn)

    def _request_id(self) -> str:
        sent = str(uuid4())
        found = self._live.ask("POST", "/card", headers={"X-Request-ID": sent}).headers.get("x-request-id")
        if found != sent:
            raise CheckError(f"X-Request-ID is {found}", f"{sent}, as it was sent", INSIDE)
        return "comes back, as it stands in the logs"

    def _refuses(self, path: str, status: int, **content: Any) -> str:
        return f"{status}: {refusal(self._live.json('POST', path, status, **content), 'the refusal')}"

    def _reference(self) -> str:
        largest = 0.0
        for example in self._examples:
            expected = prediction(example.answer, f"the answer beside {example.name}")
            said = prediction(self._live.json("POST", "/predict", files={"image": example.film}), example.name)
            self._same_model(said, f"The answer on {example.name}")
            largest = max(largest, difference(said, expected, example.name))
        return f"{len(self._examples)} answered as at the release, probabilities to {largest:.0e}"

    def _latency(self) -> str:
        return str(measure(self._live, self._examples[0].film, self._options.seconds, self._options.requests))


def difference(said: dict[str, Any], expected: dict[str, Any], name: str) -> float:
    """How far the probabilities of two answers lie apart, at most.

    Raises:
        CheckError: they lie further apart than two machines may, or the decision is another one.
    """
    do = "Serve with the packages that the bento names, or release the model again for this machine."
    wanted, found = expected["probabilities"], said["probabilities"]
    if wanted.keys() != found.keys():
        raise CheckError(f"{name} gets the labels {', '.join(found)}", ", ".join(wanted), do)
    label = max(wanted, key=lambda label: abs(wanted[label] - found[label]))
    if (largest := abs(wanted[label] - found[label])) > LARGEST_DIFFERENCE:
        raise CheckError(f"{name} has probability {found[label]:.4f} of {label}", f"{wanted[label]:.4f}", do)
    if said["decision"] != expected["decision"]:
        raise CheckError(f"{name} is called {said['decision']}", str(expected["decision"]), do)
    return float(largest)


def check(live: Live, options: Options) -> bool:
    """Run all checks, print a line for each, and tell whether all passed."""
    failed, run = 0, 0
    for name, one in Checks(live, options).all():
        run += 1
        try:
            print(f"ok    {name}: {one()}", flush=True)
        except CheckError as error:
            failed += 1
            print(f"FAIL  {name}: {error}", flush=True)
    print(f"FAIL: {failed} of {run} checks." if failed else f"ok: all {run} checks passed.")
    return not failed


def main(arguments: Sequence[str] | None = None, transport: httpx.BaseTransport | None = None) -> None:
    """Check the service of a command line; exit status 0 where all holds, else 1.

    Args:
        transport: what carries the requests, for tests.
    """
    read = _parser().parse_args(arguments)
    options = Options(read.seconds, read.requests, read.model, os.environ.get("FILMGATE_API_KEY") or None)
    with in_one_sentence(), Live(read.url, options.key, transport) as live:
        live.reach()
        sys.exit(0 if check(live, options) else 1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m serving.check",
        description="Check that a live service does what it promises. An API key is taken from FILMGATE_API_KEY.",
    )
    parser.add_argument("url", help="address of the service, as http://127.0.0.1:3000")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long latency is measured (5)")
    parser.add_argument("--requests", type=_count, default=4, help="requests at a time meanwhile (4)")
    parser.add_argument("--model", metavar="VERSION", help="the version that must answer")
    return parser


def _count(written: str) -> int:
    if not written.isdigit() or not 0 < int(written) <= 256:
        raise argparse.ArgumentTypeError(f"{written!r} is no number of requests from 1 to 256")
    return int(written)
