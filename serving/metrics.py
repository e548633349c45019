"""What can be watched from outside, in Prometheus' text format: what is asked, what is decided, what is refused.

Labels take values of short, fixed lists alone, so that nothing a client wrote becomes one.
"""

from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from pipelines.card import Card

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SHARES = tuple(round(0.05 * step, 2) for step in range(1, 21))
RARE = (0.0, 0.001, 0.005, 0.01, 0.02, *SHARES)
BATCHES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """The figures of one service."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
        self._requests = Counter("filmgate_requests", "Requests.", ("call", "status"), registry=registry)
        self._seconds = Histogram(
            "filmgate_request_seconds", "Time to answer a request.", ("call",), buckets=SECONDS, registry=registry
        )
        self._rejections = Counter(
            "filmgate_rejections", "Requests that were not answered, by reason.", ("reason",), registry=registry
        )
        self.in_flight = Gauge("filmgate_in_flight", "Requests that are read or answered now.", registry=registry)
        self._batches = Histogram(
            "filmgate_batch_films", "Films that went through the model together.", buckets=BATCHES, registry=registry
        )
        self._decisions = Counter("filmgate_decisions", "Films, by decision.", ("decision",), registry=registry)
        self._probability = Histogram(
            "filmgate_probability", "Probability that was answered.", buckets=SHARES, registry=registry
        )
        self._familiarity = Histogram(
            "filmgate_familiarity", "Familiarity of the film.", buckets=RARE, registry=registry
        )
        self._refused = Counter("filmgate_refused_films", "Films refused, by reason.", ("reason",), registry=registry)
        self.unlogged = Counter(
            "filmgate_unlogged_predictions", "Answers that the prediction log could not take.", registry=registry
        )
        self._model = Gauge(
            "filmgate_model_info", "1: the model that answers.", ("recipe", "version", "sha256"), registry=registry
        )

    def serve(self, card: Card) -> None:
        """Say which model answers."""
        self._model.labels(card.recipe, card.version, card.sha256).set(1)

    def request(self, call: str, status: int, seconds: float) -> None:
        """Count a request that was answered, however.

        Args:
            call: one of the paths that there are, or `other`.
        """
        self._requests.labels(call, str(status)).inc()
        self._seconds.labels(call).observe(seconds)

    def reject(self, reason: str) -> None:
        """Count a request that was not answered.

        Args:
            reason: `busy`, `slow`, `key`, `size`, `form` or `film`.
        """
        self._rejections.labels(reason).inc()

    def batch(self, films: int) -> None:
        """Count a batch that goes through the model."""
        self._batches.observe(films)

    def prediction(self, answer: dict[str, Any]) -> None:
        """Count a film that was answered, as the HTTP contract writes it."""
        self._decisions.labels(answer["decision"]).inc()
        self._probability.observe(answer["probability"])
        self._familiarity.observe(answer["familiarity"])
        if answer["reason"] is not None:
            self._refused.labels(answer["reason"]).inc()

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self.registry)
