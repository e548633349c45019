import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipelines.errors import ReleaseError
from pipelines.inference import Classifier, Graph


@pytest.fixture
def folder(release_model, tmp_path):
    release_model(tmp_path)
    return tmp_path


@pytest.fixture
def frames(rng):
    return rng.integers(0, 256, (70, 32, 32, 1), dtype=np.uint8)


def test_batches_say_what_one_image_at_a_time_says(folder, frames):
    graph = Graph(folder / "model.onnx")
    together = graph.answer_all(frames)
    alone = [graph.answer(frame[None]) for frame in frames]
    for name in ("probability", "heatmap", "distance"):
        assert np.allclose(getattr(together, name), np.concatenate([getattr(one, name) for one in alone]), atol=1e-6)


def test_shapes_are_those_that_the_docstring_promises(folder, frames):
    answers = Graph(folder / "model.onnx").answer(frames)
    assert answers.probability.shape == (70, 2)
    assert answers.heatmap.shape == (70, 4, 4)
    assert answers.distance.shape == (70,)


def test_pixels_may_lie_on_the_disk(folder, frames, tmp_path):
    np.save(tmp_path / "frames.npy", frames)
    mapped = np.load(tmp_path / "frames.npy", mmap_mode="r")
    graph = Graph(folder / "model.onnx")
    assert np.array_equal(graph.answer_all(mapped).distance, graph.answer_all(frames).distance)
    assert [len(part.distance) for part in graph.answer_in_batches(mapped, 32)] == [32, 32, 6]


def test_a_classifier_knows_its_card(folder):
    assert Classifier(folder).card.recipe == "demo"


def test_a_model_that_was_changed_is_refused_before_it_is_opened(folder):
    (folder / "model.onnx").write_bytes(b"no model at all")
    with pytest.raises(ReleaseError, match=r"model\.onnx has SHA-256 .* The file was changed"):
        Classifier(folder)


@pytest.mark.parametrize("file", ["model.onnx", "card.json"])
def test_a_missing_file_is_named(folder, file):
    (folder / file).unlink()
    with pytest.raises(ReleaseError, match=f"There is no .*{file}"):
        Classifier(folder)


def test_nothing_is_reported_to_the_maker_of_the_runtime(folder, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    script = "import sys, pathlib, pipelines.inference as i; i.Graph(pathlib.Path(sys.argv[1], 'model.onnx'))"
    environment = {"HOME": str(home), "TMPDIR": str(home), "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, "-B", "-c", script, str(folder)], env=environment, check=True)
    assert list(home.rglob("*")) == []
