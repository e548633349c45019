"""The health of the service as its metrics tell it: which model answers, and what failed since it began."""

from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from pipelines.errors import ServiceError

COUNTED = ("requests_total", "model_info", "rejections_total", "unlogged_predictions_total")


@dataclass(frozen=True)
class Health:
    """Of one service, counted since it began.

    Args:
        url: where it is.
        ready: whether it takes films.
        model: SHA-256 of the model that answers; None where it does not say.
        requests, failed: requests for predictions, and those answered with 5xx save 503 (come again).
        rejections: requests without an answer, by reason.
        unlogged: answers that the prediction log could not take: monitoring is blind for them.
    """

    url: str
    ready: bool
    model: str | None
    requests: int
    failed: int
    rejections: dict[str, int]
    unlogged: int

    def faults(self, released: str) -> list[str]:
        """What must be mended, a sentence each.

        Args:
            released: SHA-256 of the model in production.
        """
        found = [] if self.ready else [f"The service at {self.url} is not ready."]
        if self.model is not None and self.model != released:
            found.append(f"The service answers with model {self.model[:12]}, in production is {released[:12]}.")
        if self.failed:
            found.append(f"The service failed on {self.failed:,} of {self.requests:,} requests (5xx).")
        if self.unlogged:
            found.append(f"The prediction log could not take {self.unlogged:,} answers: they are not monitored.")
        return found


def health(url: str, ready: bool, metrics: str) -> Health:
    """The health that a service tells of.

    Args:
        metrics: what it answers to GET /metrics.
    Raises:
        ServiceError: that are no metrics.
    """
    try:
        samples = [sample for family in text_string_to_metric_families(metrics) for sample in family.samples]
    except ValueError as error:
        raise ServiceError(f"{url}/metrics are no metrics ({error}). Is that the prediction service?") from None
    if "filmgate_in_flight" not in {sample.name for sample in samples}:
        raise ServiceError(f"{url}/metrics are not those of filmgate. Is that the prediction service?")
    of = {name: [one for one in samples if one.name == f"filmgate_{name}"] for name in COUNTED}
    requests = [one for one in of["requests_total"] if one.labels["call"] != "other"]
    failed = [one for one in requests if one.labels["status"].startswith("5") and one.labels["status"] != "503"]
    return Health(
        url=url,
        ready=ready,
        model=next((one.labels["sha256"] for one in of["model_info"]), None),
        requests=int(sum(one.value for one in requests)),
        failed=int(sum(one.value for one in failed)),
        rejections={one.labels["reason"]: int(one.value) for one in of["rejections_total"] if one.value},
        unlogged=int(sum(one.value for one in of["unlogged_predictions_total"])),
    )
