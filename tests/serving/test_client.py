import json

import httpx
import pytest

from pipelines.errors import ServiceError
from serving.client import Client

ANSWER = {
    "label": "NORMAL",
    "probability": 0.2,
    "probabilities": {"NORMAL": 0.8, "PNEUMONIA": 0.2},
    "threshold": 0.5,
    "decision": "negative",
    "familiarity": 0.6,
    "model": {"recipe": "demo", "version": "1", "sha256": "1"},
    "notice": "For research use only.",
}


def client(answer):
    """A client of a service that answers like this; an exception is what its network does."""

    def handle(request):
        if isinstance(answer, Exception):
            raise answer
        return answer

    return Client("http://service", seconds=3, transport=httpx.MockTransport(handle))


def test_a_prediction_has_the_fields_of_the_contract():
    prediction = client(httpx.Response(200, json=ANSWER)).predict(b"film")
    assert {name: getattr(prediction, name) for name in ANSWER} == ANSWER


def test_the_film_is_sent_as_the_form_that_the_service_reads():
    seen = []

    def handle(request):
        seen.append(request.read())
        return httpx.Response(200, content=b"png")

    with Client("http://service", transport=httpx.MockTransport(handle)) as asked:
        assert asked.explain(b"the film", 0.25) == b"png"
    assert b'name="image"; filename=' in seen[0]
    assert b"the film" in seen[0]
    assert b"0.25" in seen[0]


def test_the_sentence_of_the_service_is_passed_on():
    refused = httpx.Response(422, json={"error": "The upload is empty. Expected a JPEG or PNG file."})
    with pytest.raises(ServiceError, match=r"^The upload is empty\. Expected a JPEG or PNG file\.$"):
        client(refused).predict(b"")


def test_a_refusal_without_a_sentence_gets_one():
    with pytest.raises(ServiceError, match="answered /predict with status 503"):
        client(httpx.Response(503, text="gone")).predict(b"film")


def test_a_service_that_is_down_is_named_with_what_to_do():
    with pytest.raises(
        ServiceError, match=r"http://service cannot be reached \(refused\)\. Start it with `make serve`"
    ):
        client(httpx.ConnectError("refused")).card()


def test_a_service_that_is_slow_is_named():
    with pytest.raises(ServiceError, match="did not answer within 3 seconds"):
        client(httpx.ReadTimeout("slow")).explain(b"film", 0.5)


@pytest.mark.parametrize("content", [b"<html>", b"[1]", json.dumps({"label": "x"}).encode()])
def test_something_else_at_the_address_is_named(content):
    with pytest.raises(ServiceError, match="is not filmgate's service"):
        client(httpx.Response(200, content=content)).predict(b"film")


def test_ready_says_whether_it_is():
    assert client(httpx.Response(200)).ready()
    assert not client(httpx.Response(503)).ready()
    assert not client(httpx.ConnectError("refused")).ready()
