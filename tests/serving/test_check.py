import json

import httpx
import numpy as np
import pytest

from serving.answers import Prediction
from serving.check.checks import CALLS, PAGES, main
from serving.check.contract import CARD, PREDICTION
from serving.check.latency import Latency


class Altered(httpx.BaseTransport):
    """The network to a service that someone stands in, who may alter what it answers."""

    def __init__(self, alter):
        self._real, self._alter = httpx.HTTPTransport(verify=False), alter

    def handle_request(self, request):
        answer = self._real.handle_request(request)
        answer.read()
        return self._alter(request.url.path, answer) or answer

    def close(self):
        self._real.close()


@pytest.fixture
def check(served, capsys, monkeypatch):
    """Runs the command against the service, and gives its exit status and its lines."""
    monkeypatch.delenv("FILMGATE_API_KEY", raising=False)

    def run(*arguments, alter=lambda path, answer: None):
        with pytest.raises(SystemExit) as ended:
            main([served.url, "--seconds", "0", "--requests", "2", *arguments], Altered(alter))
        return ended.value.code, capsys.readouterr().out.splitlines()

    return run


def changed(path, change):
    """Alters the JSON that the service answers at an address."""

    def alter(asked, answer):
        if asked != path or answer.status_code != 200:
            return None
        said = answer.json()
        return httpx.Response(200, json=change(said) or said)

    return alter


def failures(lines):
    return [line for line in lines[:-1] if line.startswith("FAIL  ")]


def test_a_sound_service_passes_every_check(check):
    status, lines = check("--seconds", "0.3")
    assert status == 0
    assert lines[-1] == f"ok: all {len(lines) - 1} checks passed."
    assert all(line.startswith("ok    ") for line in lines[:-1])
    names = {line[6:].split(":")[0] for line in lines[:-1]}
    assert {"livez", "readyz", "card", "predict", "predict_batch", "explain", "reference films", "latency"} <= names
    assert "0 told to come again" in lines[-2]


def test_the_promised_keys_are_those_that_the_service_is_built_to_answer():
    assert list(PREDICTION) == list(Prediction.model_fields)


def test_the_addresses_that_are_checked_are_those_that_there_are(served):
    described = httpx.get(f"{served.url}/docs.json", trust_env=False).json()["paths"]
    assert {*CALLS, *PAGES} == set(described)


@pytest.mark.parametrize("key", PREDICTION)
def test_a_missing_key_of_an_answer_is_named(check, key):
    status, lines = check(alter=changed("/predict", lambda said: said.pop(key) and None))
    assert status == 1
    assert f"the answer has no {key}. Expected" in "\n".join(failures(lines))


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("probability", "0.2", "a number from 0 to 1"),
        ("probability", 1.5, "a number from 0 to 1"),
        ("probability", True, "a number from 0 to 1"),
        ("probability", 0.123, "one of them"),
        ("probabilities", {"NORMAL": 0.5, "PNEUMONIA": 0.4}, "probabilities by label, which add up to 1"),
        ("threshold", "0.5", "a number from 0 to 1, or null"),
        ("label", "OTHER", "one that has a probability"),
        ("decision", "perhaps", "one of positive, negative, refer, refused"),
        ("reason", 3, "a string that says something, or null"),
        ("reason", "It is dark.", "a sentence where a film is refused, else null"),
        ("model", {"recipe": "demo"}, "a recipe, a version and a SHA-256"),
    ],
)
def test_a_value_of_another_kind_is_named(check, key, value, says):
    status, lines = check(alter=changed("/predict", lambda said: said.update({key: value})))
    assert status == 1
    assert says in "\n".join(failures(lines))


@pytest.mark.parametrize("key", CARD)
def test_a_missing_key_of_the_card_is_named(check, key):
    status, lines = check(alter=changed("/card", lambda said: said.pop(key) and None))
    assert status == 1
    assert any(line.startswith(f"FAIL  card: the card has no {key}.") for line in failures(lines))


def test_another_model_than_the_one_of_the_card_is_named(check):
    other = {"recipe": "demo", "version": "0123456789ab", "sha256": "01" * 32}
    status, lines = check(alter=changed("/predict", lambda said: said.update(model=other)))
    assert status == 1
    assert "The answer comes from version 0123456789ab" in failures(lines)[0]


def test_a_batch_that_is_spoiled_by_one_image_fails(check):
    status, lines = check(alter=changed("/predict_batch", lambda said: [said[1]] * 3))
    assert status == 1
    assert [line.split(":")[0] for line in failures(lines)] == ["FAIL  predict_batch"]


def test_a_batch_that_lost_an_entry_fails(check):
    _, lines = check(alter=changed("/predict_batch", lambda said: said[:2]))
    assert "Three images gave 2 answers" in failures(lines)[0]


def test_a_heatmap_of_another_shape_fails(check, as_png):
    small = as_png(np.zeros((8, 9), "uint8"))
    _, lines = check(alter=lambda path, answer: httpx.Response(200, content=small) if path == "/explain" else None)
    assert "The heatmap has 9 x 8 pixels. Expected 32 x 32, as the film." in failures(lines)[0]


def test_a_reference_film_that_is_answered_otherwise_fails(check):
    def shift(said):
        for example in said["examples"]:
            chances = example["answer"]["probabilities"]
            chances["NORMAL"] += 0.0015
            chances["PNEUMONIA"] -= 0.0015
            example["answer"]["probability"] = chances["PNEUMONIA"]

    status, lines = check(alter=changed("/examples", shift))
    assert status == 1
    assert failures(lines)[0].startswith("FAIL  reference films: film-normal-1.png has probability")


def test_a_reference_film_may_differ_by_what_two_machines_do(check):
    def shift(said):
        for example in said["examples"]:
            chances = example["answer"]["probabilities"]
            chances["NORMAL"] += 0.0005
            chances["PNEUMONIA"] -= 0.0005
            example["answer"]["probability"] = chances["PNEUMONIA"]

    assert check(alter=changed("/examples", shift))[0] == 0


def test_a_reference_film_with_another_decision_fails(check):
    def refer(said):
        said["examples"][1]["answer"]["decision"] = "refer"

    _, lines = check(alter=changed("/examples", refer))
    assert "is called negative. Expected refer." in failures(lines)[0]


@pytest.mark.parametrize(
    ("status", "check_name"), [(422, "text file"), (415, "no form"), (400, "without image"), (404, "unknown address")]
)
def test_a_refusal_in_another_form_fails(check, status, check_name):
    def alter(path, answer):
        return httpx.Response(status, json={"detail": "No."}) if answer.status_code == status else None

    _, lines = check(alter=alter)
    assert [check_name in line for line in failures(lines)] == [True]
    assert '{"error": a sentence}' in failures(lines)[0]


def test_a_busy_service_is_asked_again_and_counted_apart(check):
    seen = []

    def alter(path, answer):
        seen.append(path)
        return httpx.Response(503, json={"error": "Busy."}, headers={"retry-after": "0"}) if len(seen) % 2 else None

    status, lines = check("--seconds", "0.2", alter=alter)
    assert status == 0
    busy = int(lines[-2].split(";")[-1].split()[0])
    assert busy > 0


def test_the_version_may_be_asserted(check, release):
    version = json.loads((release / "release.json").read_text())["version"]
    assert check("--model", version)[0] == 0
    status, lines = check("--model", "0123456789ab")
    assert status == 1
    assert f"FAIL  card: Version {version} answers. Expected 0123456789ab." in failures(lines)[0]


def test_a_service_that_is_down_is_one_sentence(processes, capsys):
    with pytest.raises(SystemExit) as ended:
        main([f"http://127.0.0.1:{processes.free_port()}"])
    assert ended.value.code == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: Nobody answers at http://127.0.0.1:")
    assert len(said.err.splitlines()) == 1


def test_another_service_than_this_fails(check):
    status, lines = check(alter=lambda path, answer: httpx.Response(200, html="<h1>Welcome</h1>"))
    assert status == 1
    assert "gave text/html. Expected JSON." in "\n".join(failures(lines))


class Locked(Altered):
    """The network to a service that answers only to those who know its key."""

    def __init__(self):
        super().__init__(lambda path, answer: None)

    def handle_request(self, request):
        if request.url.path in CALLS and request.headers.get("x-api-key") != "secret":
            return httpx.Response(401, json={"error": "The API key is missing or wrong."})
        return super().handle_request(request)


def test_the_api_key_comes_from_the_environment(served, capsys, monkeypatch):
    monkeypatch.setenv("FILMGATE_API_KEY", "secret")
    with pytest.raises(SystemExit) as ended:
        main([served.url, "--seconds", "0"], Locked())
    assert ended.value.code == 0
    assert "ok    API key: a request without it is refused (401)" in capsys.readouterr().out.splitlines()


def test_a_missing_api_key_is_one_sentence(served, capsys, monkeypatch):
    monkeypatch.delenv("FILMGATE_API_KEY", raising=False)
    with pytest.raises(SystemExit) as ended:
        main([served.url, "--seconds", "0"], Locked())
    assert ended.value.code == 1
    assert capsys.readouterr().err.strip().endswith("Set FILMGATE_API_KEY to its own.")


def test_percentiles_are_those_of_the_requests_themselves():
    latency = Latency([float(number) for number in range(1, 101)], 3, 2.0)
    assert [latency.percentile(share) for share in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]
    assert Latency([7.0], 0, 1.0).percentile(0.5) == 7
    assert str(latency).endswith("of 100 answers; 50.0 a second; 3 told to come again (503)")
