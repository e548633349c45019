import ast
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.bento import PACKAGES, PLUMBING, ROOT, SERVED, build_bento, locked
from pipelines.errors import ReleaseError

LOCK = "numpy==2.1.0\nnumpy-extra==9\nruamel-yaml==0.19 ; python_version > '3'\n"
HEAVY = {"tensorflow-cpu", "tensorflow", "keras", "prefect", "dvc", "great-expectations", "pandas", "scikit-learn"}


def imports(path):
    """Files of this project that a file imports."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            files = (f"{name.replace('.', '/')}.py" for name in names)
            yield from (file for file in files if (ROOT / file).is_file())


def test_the_bento_holds_what_the_service_imports_and_nothing_else():
    found, todo = {"serving/service.py"}, ["serving/service.py"]
    while todo:
        new = set(imports(todo.pop())) - found
        found |= new
        todo += new
    others = {"pipelines/__init__.py", "serving/__init__.py", "serving/host.py"}  # the last imports by itself
    assert found | others == {*SERVED, *PLUMBING}


@pytest.fixture
def film(tmp_path):
    """A film that may travel with the model."""
    Image.fromarray(np.full((32, 32), 60, dtype=np.uint8)).save(tmp_path / "film.png")
    return {"path": str(tmp_path / "film.png"), "name": "film.png", "label": "NORMAL"}


def test_the_bento_is_whole(release_model, film, tmp_path):
    card = release_model(tmp_path / "model")
    bento = build_bento(tmp_path / "model", card, [film], {"date": "today"}, tmp_path)
    with tarfile.open(bento) as file:

        def read(name):
            return file.extractfile(f"./{name}").read().decode()

        names = {name.removeprefix("./") for name in file.getnames()}
        needs = {line.split("==")[0] for line in read("env/python/requirements.txt").splitlines() if line}
        note = json.loads(read("src/serving/released.json"))
    model = f"models/filmgate-demo/{card.version}"
    files = {"model.onnx", "card.json", "about.json", "reference.json", "film.png"}
    assert {f"{model}/{file}" for file in files} <= names
    assert note["model"] == f"filmgate-demo:{card.version}"
    assert set(note["files"]) == files
    assert note["files"]["model.onnx"] == card.sha256
    assert "src/serving/app.py" not in names
    assert set(PACKAGES) < needs
    assert needs.isdisjoint(HEAVY)


def test_the_lock_pins_what_the_server_needs():
    pinned = [line.split("==")[0] for line in locked((ROOT / "requirements.lock").read_text(), PACKAGES)]
    assert {*PACKAGES, "anyio", "protobuf", "pydantic-core"} <= set(pinned)
    assert locked(LOCK, ["Numpy", "ruamel.yaml"]) == ["numpy==2.1.0", "ruamel-yaml==0.19 ; python_version > '3'"]


def test_a_package_without_a_pin_is_named():
    with pytest.raises(ReleaseError, match="pins no pillow"):
        locked(LOCK, ["numpy", "pillow"])


def test_what_bentoml_cannot_build_is_one_sentence(release_model, film, tmp_path):
    card = release_model(tmp_path / "model")
    (tmp_path / "model/model.onnx").unlink()
    with pytest.raises(ReleaseError, match="BentoML could not build the bento .*model.onnx.*Nothing was released"):
        build_bento(tmp_path / "model", card, [film], {}, tmp_path)


def test_the_users_own_store_is_not_touched(release_model, film, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "store"))
    Path(tmp_path, "home").mkdir()
    build_bento(tmp_path / "model", release_model(tmp_path / "model"), [film], {}, tmp_path)
    assert not (tmp_path / "store").exists()
    assert list((tmp_path / "home").iterdir()) == []
