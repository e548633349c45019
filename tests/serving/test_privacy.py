"""What a client sends of a patient (names, numbers, file names) stands nowhere afterwards."""

import io
import json

import httpx
import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from pydicom.uid import JPEG2000Lossless

from tests.serving.dicom_films import dicom

MARK = "MARKED"  # in every name and number that is sent
LEVELS = (np.arange(64 * 48).reshape(48, 64) % 251).astype(np.uint8)


def marked_dicom(**changes):
    named = {"PatientName": "MARKED^JANE", "PatientID": "MARKED-4711", "InstitutionName": "MARKED Hospital"}
    named |= {"AccessionNumber": "MARKED-1", "StudyDescription": "MARKED", "OtherPatientIDs": "MARKED-2"}
    return dicom(LEVELS.astype(np.uint16), **(named | changes))


def marked_picture(kind):
    """A picture whose metadata name a patient."""
    file, picture = io.BytesIO(), Image.fromarray(LEVELS)
    if kind == "PNG":
        notes = PngImagePlugin.PngInfo()
        notes.add_text("MARKED-key", "MARKED^JANE")
        picture.save(file, "PNG", pnginfo=notes)
    else:
        exif = Image.Exif()
        exif[0x010E] = "MARKED^JANE"
        picture.save(file, "JPEG", exif=exif)
    return file.getvalue()


def films():
    """Films that are taken, and films that are refused for every kind of reason."""
    png, jpeg, sound = marked_picture("PNG"), marked_picture("JPEG"), marked_dicom()
    refused = [
        marked_dicom(Modality="MARKED"),
        marked_dicom(BodyPartExamined="MARKED"),
        marked_dicom(PhotometricInterpretation="MARKED"),
        marked_dicom(Rows=9999),
        marked_dicom(WindowCenter="1e300", WindowWidth="1e-300"),
        dicom(LEVELS, JPEG2000Lossless, [b"MARKED" * 20], PatientName="MARKED^JANE"),
    ]
    cut = [film[: len(film) * 2 // 3] for film in (png, jpeg, sound)]
    return [png, jpeg, sound, *refused, *cut, b"MARKED^JANE", b"\x89PNG\r\n\x1a\nMARKED" * 9]


def answers(url):
    """What the service says to all of it: bodies and headers."""
    headers = {"X-Request-ID": "MARKED-id", "User-Agent": "MARKED", "Referer": "http://MARKED/", "Cookie": "a=MARKED"}
    with httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as client:
        for film in films():
            for path in ("/predict", "/explain", "/explain?opacity=MARKED", "/predict?name=MARKED"):
                yield client.post(path, files={"image": ("MARKED_JANE.dcm", film, "image/MARKED")})
            yield client.post("/predict_batch", files=[("MARKED", ("MARKED.png", film)), ("MARKED", (MARK, film))])
            yield client.post("/predict", files={"MARKED": ("MARKED.png", film)}, data={"MARKED": "MARKED"})
            yield client.post("/explain", files={"image": film}, data={"opacity": "MARKED", "MARKED": "MARKED"})
            yield client.post(
                "/predict", content=film, headers={"content-type": "multipart/form-data; boundary=MARKED"}
            )
        yield client.get("/MARKED/4711")
        yield client.post("/predict/MARKED")
        yield client.request("MARKED", "/predict")


def everything_said(response):
    return response.text + json.dumps(dict(response.headers))


@pytest.fixture
def asked(serving, tmp_path):
    """A service that was asked all of it, with its prediction log, its answers and its metrics."""
    with serving(FILMGATE_PREDICTION_LOG=str(tmp_path / "log"), FILMGATE_API_KEY="") as service:
        said = [everything_said(answer) for answer in answers(service.url)]
        metrics = httpx.get(f"{service.url}/metrics", trust_env=False).text
        yield service, said, metrics, tmp_path / "log"


def test_nothing_that_names_a_patient_is_left_anywhere(asked):
    service, said, metrics, log = asked
    assert len(said) > 100
    assert [text for text in said if MARK in text] == []
    assert MARK not in metrics
    assert MARK not in service.said
    logged = (log / "predictions.jsonl").read_text()
    assert logged.count('"decision"') > 10
    assert MARK not in logged
    assert [path for path in service.scratch.rglob("*") if path.is_file()] == []
    written = [path for path in service.store.rglob("*") if path.is_file()]
    assert [path for path in written if MARK.encode() in path.read_bytes() or MARK in path.name] == []
    assert service.said.count("status=200") > 10
    assert service.said.count("status=4") > 50
