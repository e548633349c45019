import pytest

from pipelines.errors import ServiceError
from pipelines.monitoring.health import health
from serving.metrics import Metrics
from tests.pipelines.monitoring.conftest import MODEL

URL = "http://127.0.0.1:3000"


@pytest.fixture
def card(tmp_path, release_model):
    return release_model(tmp_path / "model")


def test_a_service_that_is_well_has_no_faults(card):
    metrics = Metrics()
    metrics.serve(card)
    metrics.request("/predict", 200, 0.01)
    found = health(URL, True, metrics.text().decode())
    assert (found.requests, found.failed, found.unlogged, found.rejections) == (1, 0, 0, {})
    assert found.faults(card.sha256) == []


def test_failures_lost_lines_and_another_model_are_told(card):
    metrics = Metrics()
    metrics.serve(card)
    for status in (200, 500, 503, 400):
        metrics.request("/predict", status, 0.01)
    metrics.request("other", 500, 0.01)
    metrics.reject("busy")
    metrics.unlogged.inc()
    found = health(URL, False, metrics.text().decode())
    assert (found.requests, found.failed, found.unlogged, found.rejections) == (4, 1, 1, {"busy": 1})
    assert found.faults(MODEL) == [
        f"The service at {URL} is not ready.",
        f"The service answers with model {card.version}, in production is {MODEL[:12]}.",
        "The service failed on 1 of 4 requests (5xx).",
        "The prediction log could not take 1 answers: they are not monitored.",
    ]


@pytest.mark.parametrize("text", ["<html></html>", "", "python_info 1\n"])
def test_what_are_not_the_metrics_of_the_service_is_said(text):
    with pytest.raises(ServiceError, match="Is that the prediction service"):
        health(URL, True, text)
