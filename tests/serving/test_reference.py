import json
import shutil

import numpy as np
import pytest
from PIL import Image

from pipelines.card import sha256
from pipelines.errors import ReleaseError
from serving import reference
from serving.reference import Note, released
from serving.settings import Settings


@pytest.fixture
def films(tmp_path):
    """Films that may become reference: the second NORMAL is so bright that it is called PNEUMONIA."""
    found = []
    for label, greys in {"NORMAL": (200, 60, 70), "PNEUMONIA": (180, 190)}.items():
        for grey in greys:
            path = tmp_path / f"{label}-{grey}.png"
            Image.fromarray(np.full((32, 32), grey, dtype=np.uint8)).save(path)
            found.append({"path": str(path), "name": path.name, "label": label})
    return found


@pytest.fixture
def model(release_model, films, tmp_path):
    """A model folder as a bento holds it."""
    folder = tmp_path / "model"
    release_model(folder)
    (folder / "about.json").write_text('{"flags": []}')
    reference.write(folder, films, 1)
    return folder


def note_of(folder):
    return Note("a:1", {file.name: sha256(file) for file in folder.iterdir()})


def test_the_first_film_of_each_label_that_is_called_rightly_travels_along(model):
    found = reference.examples(model)
    assert [(example.name, example.label) for example in found] == [
        ("NORMAL-60.png", "NORMAL"),
        ("PNEUMONIA-180.png", "PNEUMONIA"),
    ]
    assert [example.answer["decision"] for example in found] == ["negative", "positive"]


def test_the_released_model_opens(model):
    found = released(model, note_of(model), Settings())
    assert found.card["recipe"] == "demo"
    assert found.card["released"] == {"flags": []}
    assert len(found.examples) == 2


@pytest.mark.parametrize("file", ["model.onnx", "card.json", "reference.json", "about.json", "NORMAL-60.png"])
def test_one_changed_byte_is_found(model, file):
    note = note_of(model)
    content = bytearray((model / file).read_bytes())
    content[len(content) // 2] ^= 1
    (model / file).write_bytes(content)
    with pytest.raises(ReleaseError, match=rf"{file} has SHA-256 .*, released was .*\. Take the bento"):
        released(model, note, Settings())


def test_a_missing_file_is_named(model):
    note = note_of(model)
    (model / "card.json").unlink()
    with pytest.raises(ReleaseError, match=r"There is no .*card\.json, which was released"):
        released(model, note, Settings())


def test_the_card_of_another_model_is_found(model, release_model, tmp_path):
    release_model(tmp_path / "other", cell=4)
    note = note_of(model)
    shutil.copy(tmp_path / "other/card.json", model)
    with pytest.raises(ReleaseError, match=r"card\.json has SHA-256"):
        released(model, note, Settings())
    with pytest.raises(ReleaseError, match=r"model\.onnx has SHA-256 .*, its card says"):
        released(model, note_of(model), Settings())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda answer: answer["probabilities"].update(NORMAL=0.5), "probability of NORMAL"),
        (lambda answer: answer.update(decision="refused"), "decision negative in place of refused"),
        (lambda answer: answer["model"].update(version="other"), "model .* in place of other"),
    ],
)
def test_a_reference_film_that_is_answered_differently_stops_the_start(model, change, says):
    entries = json.loads((model / "reference.json").read_text())
    change(entries[0]["answer"])
    (model / "reference.json").write_text(json.dumps(entries))
    with pytest.raises(ReleaseError, match=rf"reference film NORMAL-60\.png is answered differently: {says}"):
        released(model, note_of(model), Settings())


def test_machines_may_differ_in_the_last_digits(model):
    entries = json.loads((model / "reference.json").read_text())
    entries[0]["answer"]["probabilities"]["NORMAL"] -= 0.0009
    (model / "reference.json").write_text(json.dumps(entries))
    assert released(model, note_of(model), Settings()).examples


@pytest.mark.parametrize(("content", "says"), [("[{}]", "cannot be read"), ("{", "cannot be read"), ("[]", "has no")])
def test_without_reference_films_nothing_is_served(model, content, says):
    (model / "reference.json").write_text(content)
    with pytest.raises(ReleaseError, match=says):
        released(model, note_of(model), Settings())


def test_code_that_is_in_no_bento_says_what_to_do(tmp_path):
    with pytest.raises(ReleaseError, match=r"python -m serving\.serve"):
        reference.read_note(tmp_path / "released.json")
    (tmp_path / "released.json").write_text("{}")
    with pytest.raises(ReleaseError, match="does not say what was released"):
        reference.read_note(tmp_path / "released.json")
