import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from scipy.special import softmax
from sklearn.metrics import log_loss

from pipelines.errors import ModelError
from pipelines.export.temperature import HIGHEST, LOWEST, bake, fit_temperature
from pipelines.inference import Graph
from tests.pipelines.conftest import brightness_model

FILMS = np.stack([np.full((8, 8, 1), grey, dtype=np.uint8) for grey in range(0, 256, 5)])


@pytest.fixture(params=[2, 4])
def model(request, tmp_path):
    brightness_model(tmp_path / "model.onnx", request.param)
    return tmp_path / "model.onnx"


def drawn(rng, temperature, films=20_000):
    """Targets, and what a model says that is too sure of itself by this temperature."""
    logits = rng.normal(0, 2, (films, 3))
    targets = (softmax(logits, axis=1).cumsum(axis=1) > rng.random((films, 1))).argmax(axis=1)
    return targets, softmax(logits * temperature, axis=1)


def scaled(probability, temperature):
    powers = probability.astype(np.float64) ** (1 / temperature)
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_was_put_in_is_found(rng, temperature):
    targets, probability = drawn(rng, temperature)
    assert fit_temperature(targets, probability) == pytest.approx(temperature, rel=0.05)


def test_no_other_temperature_has_less_log_loss(rng):
    targets, probability = drawn(rng, 2.0, films=300)
    best = fit_temperature(targets, probability)
    least = log_loss(targets, scaled(probability, best))
    assert all(log_loss(targets, scaled(probability, other)) > least for other in (best * 0.9, best * 1.1, 1.0))


def test_a_model_that_is_always_right_or_always_wrong_keeps_the_temperature_within_bounds():
    probability = np.array([[0.9, 0.1], [0.2, 0.8]])
    assert fit_temperature(np.array([0, 1]), probability) == pytest.approx(LOWEST, rel=1e-3)
    assert fit_temperature(np.array([1, 0]), probability) == pytest.approx(HIGHEST, rel=1e-3)


def test_a_film_answered_wrongly_with_certainty_does_not_break_the_fit(rng):
    targets, probability = drawn(rng, 1.0, films=500)
    probability[0] = np.eye(3)[(targets[0] + 1) % 3]
    assert 1 < fit_temperature(targets, probability) < 2


def test_a_probability_that_is_no_number_is_an_error():
    with pytest.raises(ModelError, match="1 of 2 validation films"):
        fit_temperature(np.array([0, 1]), np.array([[0.5, 0.5], [np.nan, np.nan]]))


@pytest.mark.parametrize("temperature", [0.3, 1.7, 5.0])
def test_the_file_says_the_scaled_probabilities_and_the_same_class(model, temperature):
    before = Graph(model).answer(FILMS)
    bake(model, temperature)
    after = Graph(model).answer(FILMS)
    assert np.allclose(after.probability, scaled(before.probability, temperature), atol=1e-6)
    assert np.array_equal(after.probability.argmax(axis=1), before.probability.argmax(axis=1))
    assert np.abs(after.probability - before.probability).max() > 0.05
    assert np.array_equal(after.heatmap, before.heatmap)
    assert np.array_equal(after.distance, before.distance)


def test_a_temperature_of_one_changes_nothing(model):
    before = Graph(model).answer(FILMS).probability
    bake(model, 1.0)
    assert np.abs(Graph(model).answer(FILMS).probability - before).max() < 1e-6


def test_inputs_and_outputs_keep_name_type_and_shape(model):
    before = onnx.load(model).graph
    bake(model, 2.0)
    after = onnx.load(model)
    onnx.checker.check_model(after, full_check=True)
    assert list(after.graph.output) == list(before.output)
    assert [value.name for value in after.graph.input] == ["image"]


def test_the_same_model_gives_the_same_bytes_and_another_temperature_others(tmp_path):
    written = []
    for name, temperature in (("one", 2.0), ("two", 2.0), ("three", 3.0)):
        brightness_model(tmp_path / name)
        bake(tmp_path / name, temperature)
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1] != written[2]


@pytest.mark.parametrize("operators", [13, 15, 18, 21])
@pytest.mark.parametrize("temperature", [LOWEST, 1.0, 4.0])
def test_probabilities_of_zero_and_one_stay_numbers_with_every_operator_set(tmp_path, operators, temperature):
    said = np.array([[0, 1], [1, 0], [0.5, 0.5], [1e-30, 1]], dtype=np.float32)
    passed = helper.make_graph(
        [
            helper.make_node("Identity", ["said"], ["probability"]),
            helper.make_node("Identity", ["said"], ["heatmap"]),
            helper.make_node("Identity", ["probability"], ["distance"]),
            helper.make_node("Identity", ["image"], ["unused"]),
        ],
        "constant",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n"])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 2])
            for name in ("probability", "heatmap", "distance")
        ],
        [numpy_helper.from_array(said, "said")],
    )
    sets = [helper.make_opsetid("", operators)]
    onnx.save(helper.make_model(passed, opset_imports=sets, ir_version=9), tmp_path / "model.onnx")
    bake(tmp_path / "model.onnx", temperature)
    answers = Graph(tmp_path / "model.onnx").answer(np.zeros(4, dtype=np.uint8))
    assert np.allclose(answers.probability, scaled(said, temperature), atol=1e-6)
    assert np.array_equal(answers.distance, said)
