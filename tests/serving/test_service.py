import base64
import hashlib
import io
import json
import os
import signal
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from pipelines.card import read_card
from pipelines.images import prepare, read
from pipelines.inference import Graph
from tests.serving.dicom_films import dicom

CONTRACT = {
    *("label", "probability", "probabilities", "threshold", "decision", "familiarity", "reason", "model", "notice"),
}


def png_that_claims(width, height):
    """A PNG file of a few bytes whose header promises any size."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    content = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


@pytest.fixture
def ask(served):
    def post(path, **content):
        return httpx.post(served.url + path, timeout=30, trust_env=False, **content)

    return post


@pytest.fixture
def film(rng, as_png):
    return as_png(rng.integers(0, 256, (90, 120), dtype=np.uint8))


def sentence(response):
    """What a refusal says; it has this one form."""
    assert response.headers["content-type"] == "application/json"
    said = response.json()
    assert list(said) == ["error"]
    assert said["error"].endswith(".")
    return said["error"]


def test_it_is_ready_within_five_seconds_of_one_core(served):
    assert served.seconds < 5


def test_it_answers_as_the_contract_says(ask, film, model_folder):
    answer = ask("/predict", files={"image": ("film.png", film, "image/png")})
    assert answer.status_code == 200
    said, card = answer.json(), read_card(model_folder / "card.json")
    assert set(said) == CONTRACT
    assert said["model"] == {"recipe": "demo", "version": card.version, "sha256": card.sha256}
    assert said["threshold"] == 0.5
    assert said["probabilities"]["PNEUMONIA"] == said["probability"]
    assert "research" in said["notice"]


def test_its_probability_is_that_of_the_evaluated_file(ask, film, model_folder, tmp_path):
    (tmp_path / "film.png").write_bytes(film)
    frame = prepare(read(tmp_path / "film.png"), read_card(model_folder / "card.json").image)
    evaluated = Graph(model_folder / "model.onnx").answer_all(frame[None]).probability[0, 1]
    assert ask("/predict", files={"image": film}).json()["probability"] == pytest.approx(evaluated, abs=1e-5)


@pytest.mark.parametrize(("grey", "decision"), [(60, "negative"), (128, "refer"), (180, "positive"), (0, "refused")])
def test_it_decides_by_threshold_refer_band_and_familiarity(ask, as_png, grey, decision):
    flat = as_png(np.full((64, 64), grey, dtype=np.uint8))
    assert ask("/predict", files={"image": flat}).json()["decision"] == decision


def test_the_explanation_is_a_png_in_the_shape_of_the_film(ask, film):
    answer = ask("/explain", files={"image": film})
    assert answer.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(answer.content)).size == (120, 90)


def test_the_opacity_of_the_heatmap_may_be_asked_for(ask, film):
    drawn = {share: ask("/explain", files={"image": film}, data={"opacity": share}).content for share in ("0", "1")}
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(drawn["0"])).convert("L")), np.asarray(read(film)))
    assert drawn["0"] != drawn["1"]
    assert ask("/explain?opacity=1", files={"image": film}).content == drawn["1"]


@pytest.mark.parametrize("opacity", ["1.2", "-1", "nan", "much"])
def test_an_opacity_that_is_no_share_is_refused(ask, film, opacity):
    answer = ask("/explain", files={"image": film}, data={"opacity": opacity})
    assert answer.status_code == 400
    assert sentence(answer).startswith("The field opacity is no number from 0 to 1.")


def test_one_bad_image_of_a_batch_spoils_only_its_own_entry(ask, film, as_png):
    bright = as_png(np.full((20, 20), 200, dtype=np.uint8))
    files = [("images", film), ("images", b"no picture"), ("images", b""), ("images", bright)]
    answer = ask("/predict_batch", files=files)
    assert answer.status_code == 200
    first, second, third, fourth = answer.json()
    assert first == ask("/predict", files={"image": film}).json()
    assert list(second) == ["error"]
    assert "no picture" in second["error"]
    assert "empty" in third["error"]
    assert fourth["decision"] == "positive"


def test_the_card_tells_what_the_model_is_and_on_whom_it_was_tested(ask, model_folder):
    told = ask("/card").json()
    released = told.pop("released")
    assert told == read_card(model_folder / "card.json").model_dump(mode="json")
    assert released["tested"]["test"] == {
        **{"n": 200, "n_positive": 90, "sensitivity": 0.95, "sensitivity_low": 0.9, "sensitivity_high": 0.98},
        **{"auc": 0.97, "threshold": 0.5, "patients": 2},
    }
    assert released["flags"] == []
    assert released["about"]["intended_use"].startswith("To show and test the chain")
    assert released["date"][:2] == "20"


def test_examples_are_films_with_the_answers_that_the_service_gives(ask):
    examples = ask("/examples").json()["examples"]
    assert [example["label"] for example in examples] == ["NORMAL", "NORMAL", "PNEUMONIA", "PNEUMONIA"]
    for example in examples:
        said = ask("/predict", files={"image": base64.b64decode(example["film"])}).json()
        assert said["label"] == example["label"]
        assert said["probability"] == pytest.approx(example["answer"]["probability"], abs=1e-6)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a text file", "no picture"),
        (b"", "empty"),
        (png_that_claims(60_000, 60_000), "too many pixels. Expected at most 50,000,000"),
        (png_that_claims(11_000, 11_000), "11000 x 11000 pixels"),
        (png_that_claims(50, 50), "damaged or truncated"),
    ],
    ids=["text", "empty", "bomb", "large", "damaged"],
)
@pytest.mark.parametrize("path", ["/predict", "/explain"])
def test_a_file_that_is_no_film_gets_a_sentence(ask, path, content, says):
    answer = ask(path, files={"image": ("film.png", content, "image/png")})
    assert answer.status_code == 422
    assert says in sentence(answer)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_truncated_film_gets_a_sentence(ask, as_png, rng, kind):
    whole = as_png(rng.integers(0, 256, (90, 120), dtype=np.uint8), kind)
    answer = ask("/predict", files={"image": whole[: len(whole) // 2]})
    assert answer.status_code == 422
    assert "truncated" in sentence(answer)


def test_a_form_without_the_image_says_what_it_has(ask, film):
    answer = ask("/predict", files={"picture": film})
    assert answer.status_code == 400
    assert "no file 'image', but 1 other files and 0 texts" in sentence(answer)


def test_an_address_in_place_of_a_film_is_not_fetched(ask, served, film):
    fetched = f"{served.url}/livez"
    answer = ask("/predict", data={"image": fetched}, files={"other": film})
    assert answer.status_code == 400
    assert "is text" in sentence(answer)


def test_two_films_for_one_answer_are_refused(ask, film):
    answer = ask("/predict", files=[("image", film), ("image", film)])
    assert answer.status_code == 400
    assert "2 files" in sentence(answer)


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 415),
        ("image/png", 415),
        ("application/vnd.bentoml+pickle", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data", 400),
        ("multipart/form-data; boundary=x", 400),
    ],
)
def test_a_body_that_is_no_form_gets_a_sentence(ask, film, content_type, status):
    answer = ask("/predict", content=film, headers={"content-type": content_type})
    assert answer.status_code == status
    sentence(answer)


def test_a_huge_upload_is_refused_and_the_client_hears_it(ask):
    answer = ask("/predict", files={"image": bytes(70 * 2**20)})
    assert answer.status_code == 413
    assert "at most 64 MiB" in sentence(answer)


@pytest.mark.parametrize(("path", "status"), [("/predict", 405), ("/nowhere", 404)])
def test_what_does_not_exist_is_said_in_the_same_form(served, path, status):
    answer = httpx.get(served.url + path, trust_env=False)
    assert answer.status_code == status
    assert "GET /docs.json" in sentence(answer)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/docs.json"])
def test_health_metrics_and_documentation_are_there(served, path):
    assert httpx.get(served.url + path, trust_env=False).status_code == 200


def test_nothing_is_left_on_the_disk(ask, served, film):
    ask("/predict", files={"image": film + bytes(3 * 2**20)})
    ask("/predict", files={"image": bytes(3 * 2**20)})
    ask("/predict", content=film, headers={"content-type": "multipart/form-data; boundary=x"})
    assert [path for path in served.scratch.rglob("*") if path.is_file()] == []


def test_the_server_holds_nothing_heavy(served):
    script = (
        "import sys, bentoml; bentoml.load(sys.argv[1]).to_asgi(); "
        "heavy = {'tensorflow', 'keras', 'prefect', 'dvc', 'great_expectations', 'pandas', 'sklearn', 'matplotlib'}; "
        "print('serving.service' in sys.modules, sorted(heavy & set(sys.modules)))"
    )
    command = [sys.executable, "-P", "-c", script, str(served.bento)]
    found = subprocess.run(command, capture_output=True, text=True, check=True, env={"BENTOML_HOME": str(served.store)})
    assert found.stdout.strip() == "True []"


def test_a_dicom_film_is_answered_as_its_export_to_png_is(ask):
    levels = (np.arange(64 * 48).reshape(48, 64) * 20 % 4096).astype(np.uint16)
    film = dicom(levels, PhotometricInterpretation="MONOCHROME1", BitsStored=12, HighBit=11)
    file = io.BytesIO()
    read(film).save(file, "PNG")
    answers = [ask("/predict", files={"image": content}).json() for content in (film, file.getvalue())]
    assert answers[0]["probability"] == pytest.approx(answers[1]["probability"], abs=1e-6)


def test_a_dicom_film_may_be_seen_through_another_window_and_says_which_one_it_was(ask):
    levels = np.tile(np.arange(0, 4096, 64, dtype=np.uint16), (48, 1))
    film = dicom(levels, BitsStored=12, HighBit=11, WindowCenter=2000, WindowWidth=4000)
    own = ask("/explain", files={"image": film}, data={"opacity": "0"})
    assert own.headers["filmgate-window"] == "2000 4000 0 4032"
    window = {"opacity": "0", "window_center": "1000", "window_width": "200"}
    other = ask("/explain", files={"image": film}, data=window)
    assert other.headers["filmgate-window"] == "1000 200 0 4032"
    seen = np.asarray(read(other.content).convert("L"))
    assert (seen[:, levels[0] < 900] == 0).all()
    assert (seen[:, levels[0] > 1100] == 255).all()


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"window_center": "5"}, "A window needs both"),
        ({"window_center": "5", "window_width": "0"}, "The field window_width is no number from 1"),
        ({"size": "5000"}, "The field size is no number from 64 to 4096"),
    ],
)
def test_a_picture_that_cannot_be_drawn_as_asked_gets_a_sentence(ask, film, asked, says):
    answer = ask("/explain", files={"image": film}, data=asked)
    assert answer.status_code == 400
    assert sentence(answer).startswith(says)


def test_a_refused_film_says_why(ask, as_png):
    said = ask("/predict", files={"image": as_png(np.zeros((64, 64), dtype=np.uint8))}).json()
    assert said["decision"] == "refused"
    assert said["reason"] == "The picture as a whole is unlike the images of training."
    assert ask("/predict", files={"image": as_png(np.full((64, 64), 180, dtype=np.uint8))}).json()["reason"] is None


def test_the_prediction_log_has_a_line_for_every_answer(serving, film, tmp_path):
    with serving(FILMGATE_PREDICTION_LOG=str(tmp_path / "log")) as service:
        answer = httpx.post(f"{service.url}/predict", files={"image": film}, trust_env=False)
        both = [("images", film), ("images", b"none")]
        httpx.post(f"{service.url}/predict_batch", files=both, trust_env=False)
        httpx.post(f"{service.url}/explain", files={"image": film}, trust_env=False)
        os.kill(service.pid, signal.SIGKILL)
    lines = [json.loads(line) for line in (tmp_path / "log/predictions.jsonl").read_text().splitlines()]
    assert [line["call"] for line in lines] == ["/predict", "/predict_batch"]
    assert lines[0]["request_id"] == answer.headers["x-request-id"] != lines[1]["request_id"]
    assert lines[0]["probability"] == answer.json()["probability"]
    assert lines[0]["sha256"] == hashlib.sha256(film).hexdigest()


def test_pages_of_other_origins_may_ask_where_they_are_named(serving, film):
    with serving(FILMGATE_CORS_ORIGINS="https://page.example", FILMGATE_API_KEY="secret") as service:
        headers = {"Origin": "https://page.example", "X-API-Key": "secret"}
        answer = httpx.post(f"{service.url}/predict", files={"image": film}, headers=headers, trust_env=False)
        assert answer.headers["access-control-allow-origin"] == "https://page.example"
        refused = httpx.post(f"{service.url}/predict", headers={"Origin": "https://page.example"}, trust_env=False)
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "https://page.example")
        other = httpx.post(f"{service.url}/card", headers={**headers, "Origin": "https://other"}, trust_env=False)
        assert "access-control-allow-origin" not in other.headers


REAL = Path(os.environ.get("FILMGATE_REAL_DATA", "nowhere")) / "dicom"


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason="FILMGATE_REAL_DATA names no folder with real DICOM films")
def test_a_real_film_compressed_or_not_or_exported_is_one_film(ask):
    contents = [file.read_bytes() for file in sorted(REAL.glob("RG1_*"))]
    file = io.BytesIO()
    read(contents[0]).save(file, "PNG")
    answers = [ask("/predict", files={"image": content}).json() for content in (*contents, file.getvalue())]
    assert len(answers) == 3
    assert [answer["probability"] for answer in answers] == pytest.approx([answers[0]["probability"]] * 3, abs=1e-3)
