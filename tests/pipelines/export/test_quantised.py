import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pipelines.export.bias import convolutions, correct_biases
from pipelines.export.familiarity import feature_statistics
from pipelines.export.quantised import LARGEST, differences, quantise
from pipelines.export.temperature import bake
from pipelines.inference import Answers, Graph
from pipelines.recipe import TrainParams
from tests.conftest import TRAINING
from tests.pipelines.patches import draw, learner


@pytest.fixture(scope="module")
def exact(tmp_path_factory):
    """The bytes of the file of a tiny Keras model, and some images."""
    path = tmp_path_factory.mktemp("exact") / "model.onnx"
    one, images = learner(TrainParams(**TRAINING)), draw(60).images
    one.export(path, feature_statistics(one.features(images)), images[:4])
    return path.read_bytes(), images


@pytest.fixture
def model(exact, tmp_path):
    (tmp_path / "model.onnx").write_bytes(exact[0])
    return tmp_path / "model.onnx", exact[1]


def one_convolution(kernel, groups, bias=None):
    """A graph that is one convolution of an image in bytes."""
    nodes = [
        helper.make_node("Cast", ["image"], ["grey"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["grey"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "kernel", *(["bias"] if bias is not None else [])], ["out"], group=groups),
    ]
    numbers = {"kernel": kernel} | ({} if bias is None else {"bias": bias})
    channels = kernel.shape[1] * groups
    graph = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", 8, 8, channels])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in numbers.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def run(model, images):
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"image": images})[0]


def rounded(model):
    """The same graph with weights rounded to steps of a 64th of the largest, in single precision."""
    other = onnx.ModelProto()
    other.CopyFrom(model)
    for weight in other.graph.initializer:
        if weight.name == "kernel":
            kernel = numpy_helper.to_array(weight)
            steps = np.abs(kernel).max(axis=(1, 2, 3), keepdims=True) / LARGEST
            weight.CopyFrom(numpy_helper.from_array(np.round(kernel / steps) * steps, "kernel"))
    return other


def test_the_file_in_eight_bits_answers_nearly_the_same(model):
    path, images = model
    before = Graph(path).answer(images)
    quantise(path, images, np.random.default_rng(1))
    found = differences(before, Graph(path).answer(images))
    assert 0 < found["largest"] < 0.05
    assert found["heatmap"] > 0.9
    assert found["distance"] == pytest.approx(1.0, abs=0.3)


def test_all_convolutions_have_weights_of_seven_bits_and_all_else_stays_single(model):
    path, images = model
    many = len(convolutions(onnx.load(path)))
    quantise(path, images, np.random.default_rng(1))
    graph = onnx.load(path).graph
    small = [numpy_helper.to_array(weight) for weight in graph.initializer if weight.data_type == TensorProto.INT8]
    kernels = [array for array in small if array.ndim == 4]
    assert len(kernels) == many
    assert max(int(np.abs(kernel.astype(int)).max()) for kernel in kernels) == LARGEST  # 2 x 64 x 255 fits 16 bits
    assert not [array for array in small if array.ndim == 2]  # dense layers


def test_the_same_seed_gives_the_same_bytes(exact, tmp_path):
    written = []
    for name in ("one.onnx", "two.onnx"):
        (tmp_path / name).write_bytes(exact[0])
        quantise(tmp_path / name, exact[1], np.random.default_rng(1))
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]


def test_a_temperature_can_be_put_into_the_file_afterwards(model):
    path, images = model
    quantise(path, images, np.random.default_rng(1))
    before = Graph(path).answer(images).probability.astype(np.float64)
    bake(path, 2.0)
    after = Graph(path).answer(images).probability
    powers = np.sqrt(before)
    assert after == pytest.approx(powers / powers.sum(axis=1, keepdims=True), abs=1e-4)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("with_bias", [True, False])
def test_the_mean_output_of_rounded_weights_is_put_right(rng, groups, with_bias):
    kernel = rng.normal(size=(6, 4 // groups, 3, 3))
    meant = one_convolution(kernel, groups, rng.normal(size=6) if with_bias else None)
    images = rng.integers(0, 256, (30, 8, 8, 4), dtype=np.uint8)
    images[..., 1] //= 4
    corrected = onnx.ModelProto()
    corrected.CopyFrom(meant)
    correct_biases(corrected, [images[n : n + 1] for n in range(len(images))], LARGEST)
    off = []
    for one in (meant, corrected):
        away = run(rounded(one), images) - run(meant, images)
        off.append(np.abs(away.mean(axis=(0, 2, 3))).max())
    assert off[1] < 0.1 * off[0]


def test_differences_are_told_of_probabilities_heat_and_distance():
    exact = Answers(np.array([[0.2, 0.8], [0.5, 0.5]]), np.arange(8.0).reshape(2, 2, 2), np.array([1.0, 2.0]))
    rounded = Answers(np.array([[0.3, 0.7], [0.5, 0.5]]), exact.heatmap * 2, exact.distance * 1.5)
    found = differences(exact, rounded)
    assert found == pytest.approx({"probability": 0.05, "largest": 0.1, "heatmap": 1.0, "distance": 1.5})
    flat = Answers(exact.probability, np.zeros((2, 2, 2)), exact.distance)
    assert differences(exact, flat)["heatmap"] == 0.0
