import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from pipelines.errors import ImageError, ReleaseError
from pipelines.images import read
from pipelines.recipe import LabelParams
from pipelines.statistics import measure
from serving import runtime
from serving.runtime import Drawing, Predictor


@pytest.fixture
def predictor(release_model, tmp_path):
    """Opens a tiny model whose card has these fields: `predictor(fit="crop")`."""

    def build(**changes):
        release_model(tmp_path / "model", **changes)
        return Predictor(tmp_path / "model")

    return build


@pytest.fixture
def flat(as_png):
    def draw(grey, size=(40, 30)):
        return as_png(np.full(size, grey, dtype=np.uint8))

    return draw


def decoded(png):
    return np.asarray(Image.open(io.BytesIO(png)), dtype=int)


def explained(asked, content, size=None):
    """The film with its heatmap, fully opaque, as numbers."""
    film = asked.read_whole(content)
    return decoded(asked.draw(film, asked.run(film.frame[None]), Drawing(1.0, size)))


def test_the_answer_names_the_model_and_the_notice(predictor, flat):
    said = predictor().predict(flat(100, (32, 32)))
    assert said["model"]["recipe"] == "demo"
    assert said["model"]["sha256"].startswith(said["model"]["version"])
    assert said["notice"].startswith("For research use only.")
    assert sum(said["probabilities"].values()) == pytest.approx(1)


@pytest.mark.parametrize(("threshold", "label"), [(0.1, "PNEUMONIA"), (0.9, "NORMAL")])
def test_the_label_follows_the_threshold_not_the_larger_probability(predictor, flat, threshold, label):
    said = predictor(threshold=threshold, refer=None).predict(flat(128, (32, 32)))
    assert said["label"] == label
    assert said["decision"] == ("positive" if label == "PNEUMONIA" else "negative")


def test_the_positive_class_may_come_first(predictor, flat):
    labels = LabelParams(names=("SICK", "HEALTHY"), positive="SICK")
    said = predictor(labels=labels, refer=None).predict(flat(60, (32, 32)))
    assert said["label"] == "SICK"
    assert said["probability"] == said["probabilities"]["SICK"] > 0.5


def test_without_a_threshold_the_most_probable_label_answers(predictor, flat):
    said = predictor(threshold=None, refer=None).predict(flat(60, (32, 32)))
    assert said["decision"] == said["label"] == "NORMAL"
    assert said["probability"] == said["probabilities"]["NORMAL"]
    assert said["threshold"] is None


def test_the_same_film_in_any_mode_has_the_same_probability(predictor, rng):
    levels = rng.integers(0, 256, (50, 60), dtype=np.uint8)
    grey, asked = Image.fromarray(levels), predictor()
    modes = [grey, grey.convert("RGB"), grey.convert("RGBA"), Image.fromarray(levels.astype(np.uint16) * 257)]
    found = []
    for picture in modes:
        file = io.BytesIO()
        picture.save(file, "PNG")
        found.append(asked.predict(file.getvalue())["probability"])
    assert found == pytest.approx([found[0]] * len(modes), abs=1e-6)


def test_a_film_with_hardly_any_evidence_shows_hardly_any_heat(predictor, flat):
    asked = predictor(heat_scale=0.8)
    weak, strong = (explained(asked, flat(grey)) - grey for grey in (20, 200))
    assert np.abs(weak).max() < 20
    assert np.abs(strong).max() > 90


def test_a_model_without_any_heat_draws_the_film_alone(predictor, flat):
    assert (explained(predictor(heat_scale=0.0), flat(0)) == 0).all()


def test_a_very_large_film_is_drawn_smaller_in_the_same_shape(predictor, flat, monkeypatch):
    monkeypatch.setattr("serving.runtime.MOST_OVERLAY_PIXELS", 10_000)
    height, width = explained(predictor(), flat(90, (200, 400))).shape[:2]
    assert height * width <= 10_000
    assert width / height == pytest.approx(2, rel=0.02)


@pytest.mark.parametrize(("size", "shape"), [(None, (200, 400)), (100, (50, 100)), (4000, (200, 400))])
def test_a_smaller_picture_may_be_asked_for_and_a_larger_one_is_not_made_up(predictor, flat, size, shape):
    assert explained(predictor(), flat(90, (200, 400)), size).shape[:2] == shape


@pytest.mark.parametrize(("kind", "times"), [("JPEG", 2), ("MPO", 2), ("PNG", 1)])
def test_a_film_with_what_the_model_sees_is_decoded_no_more_than_it_must(predictor, rng, kind, times, monkeypatch):
    read_times = []
    monkeypatch.setattr(runtime, "read", lambda *given, read=runtime.read: read_times.append(1) or read(*given))
    asked, file = predictor(), io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (480, 800), dtype=np.uint8)).save(file, kind)
    film = asked.read_whole(file.getvalue())
    assert len(read_times) == times
    assert film.picture.size == (800, 480)
    assert np.array_equal(film.frame, asked.read(file.getvalue()).frame)


def test_what_is_known_of_a_film_is_what_a_manifest_would_say(predictor, as_png, rng):
    content = as_png(rng.integers(0, 256, (90, 120), dtype=np.uint8))
    film = predictor().read(content)
    assert film.facts == {
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "width": 120,
        "height": 90,
        "mode": "L",
        "bits": 8,
    }
    assert film.statistics == measure(read(content))[0]


def test_a_film_may_be_too_large_for_the_service(release_model, tmp_path, flat):
    release_model(tmp_path)
    with pytest.raises(ImageError, match=r"has 30 x 40 pixels\. Expected at most 1,000 in all\."):
        Predictor(tmp_path, most_pixels=1000).read(flat(90))


@pytest.mark.parametrize("call", ["read", "read_whole", "predict"])
def test_bytes_that_are_no_picture_are_an_image_error(predictor, call):
    with pytest.raises(ImageError, match="no picture"):
        getattr(predictor(), call)(b"hello")


def test_a_model_that_is_not_the_one_of_its_card_is_refused(release_model, tmp_path):
    release_model(tmp_path, sha256="0" * 64)
    with pytest.raises(ReleaseError, match="The file was changed"):
        Predictor(tmp_path)
