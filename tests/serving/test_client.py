import base64
import json

import httpx
import pytest

from pipelines.errors import ServiceError
from serving.client import Client, Example, Explained, Window

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
        assert asked.explain(b"the film", 0.25) == Explained(b"png", None)
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


def test_an_answer_may_lack_the_reason_and_have_keys_of_later():
    prediction = client(httpx.Response(200, json={**ANSWER, "of_later": 1})).predict(b"film")
    assert prediction.reason is None
    assert not hasattr(prediction, "of_later")
    said = {**ANSWER, "reason": "It has colours."}
    assert client(httpx.Response(200, json=said)).predict(b"film").reason == "It has colours."


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, "film"), (401, "key"), (404, "missing"), (413, "film"), (422, "film"), (429, "busy"), (500, "broken")],
)
def test_a_status_says_what_kind_of_fault_it_is(status, kind):
    with pytest.raises(ServiceError) as caught:
        client(httpx.Response(status, json={"error": "No."}, headers={"X-Request-ID": "r-1"})).predict(b"film")
    assert (caught.value.kind, caught.value.request) == (kind, "r-1")


@pytest.mark.parametrize(("header", "wait"), [({"Retry-After": "7"}, 7.0), ({}, 2.0), ({"Retry-After": "Fri"}, 2.0)])
def test_a_busy_service_says_when_to_ask_again(header, wait):
    with pytest.raises(ServiceError) as caught:
        client(httpx.Response(503, json={"error": "Busy."}, headers=header)).predict(b"film")
    assert (caught.value.kind, caught.value.wait) == ("busy", wait)


def test_size_window_and_key_are_sent():
    seen = []

    def handle(request):
        seen.append((request.headers.get("X-API-Key"), request.read()))
        return httpx.Response(200, content=b"png", headers={"Filmgate-Window": "40 400.5 -1024 3071"})

    with Client("http://service", key="secret", transport=httpx.MockTransport(handle)) as asked:
        assert asked.explain(b"film", 0.0, 1600, (40, 400.5)).window == Window(40.0, 400.5, -1024.0, 3071.0)
    key, form = seen[0]
    assert key == "secret"
    for name, value in (("size", "1600"), ("window_center", "40"), ("window_width", "400.5")):
        assert f'name="{name}"\r\n\r\n{value}\r\n'.encode() in form


def test_examples_are_films_with_a_name_and_a_label():
    one = {"name": "A", "film": base64.b64encode(b"png").decode(), "label": "NORMAL", "answer": ANSWER}
    assert client(httpx.Response(200, json={"examples": [one]})).examples() == (Example("A", b"png", "NORMAL"),)


def test_a_service_without_examples_has_none():
    assert client(httpx.Response(404, json={"error": "There is no /examples here."})).examples() == ()


@pytest.mark.parametrize("said", [{}, {"examples": [{}]}, {"examples": None}])
def test_strange_examples_are_named(said):
    with pytest.raises(ServiceError, match="is not filmgate's service"):
        client(httpx.Response(200, json=said)).examples()
