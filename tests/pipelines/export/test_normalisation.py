import keras
import numpy as np
import onnx
import pytest
from keras import layers, ops
from onnx import TensorProto, helper, numpy_helper

from pipelines.export.keras_export import export
from pipelines.export.normalisation import restore_normalisation

CHANNELS = 3
SCALE = np.array([0.1, -2.0, 30.0], np.float32).reshape(1, CHANNELS, 1, 1)
SHIFT = np.array([0.3, 7.0, -1e-4], np.float32).reshape(1, CHANNELS, 1, 1)


def graph(scale=SCALE, shift=SHIFT, outputs=("out",), extra=()):
    """A map times a constant plus a constant."""
    nodes = [
        helper.make_node("Mul", ["map", "scale"], ["product"]),
        helper.make_node("Add", ["product", "shift"], ["sum"]),
        helper.make_node("Relu", ["sum"], ["out"]),
        *extra,
    ]
    made = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("map", TensorProto.FLOAT, ["n", CHANNELS, 4, 4])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", CHANNELS, 4, 4]) for name in outputs],
        [numpy_helper.from_array(np.asarray(v), name) for name, v in (("scale", scale), ("shift", shift))],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 15)], ir_version=9)


def kinds(model):
    return [node.op_type for node in model.graph.node]


def run(model, value, name="map"):
    import onnxruntime

    content = model if isinstance(model, bytes) else model.SerializeToString()
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"]).run(None, {name: value})


def test_a_product_and_a_sum_become_one_node_that_says_the_same():
    before, after = graph(), graph()
    restore_normalisation(after)
    assert kinds(after) == ["BatchNormalization", "Relu"]
    onnx.checker.check_model(after, full_check=True)
    value = np.random.default_rng(0).normal(0, 5, (2, CHANNELS, 4, 4)).astype(np.float32)
    np.testing.assert_allclose(run(after, value)[0], run(before, value)[0], rtol=1e-6, atol=1e-6)


def turned(perm=(0, 3, 1, 2)):
    """An image, channels last, times a constant plus a constant, then turned."""
    model = graph(SCALE.reshape(-1), SHIFT.reshape(-1))
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("map", TensorProto.FLOAT, ["n", 4, 4, CHANNELS]))
    model.graph.node[2].CopyFrom(helper.make_node("Transpose", ["sum"], ["out"], perm=perm))
    return model


def test_an_image_is_turned_before_it_is_normalised():
    before, after = turned(), turned()
    restore_normalisation(after)
    assert kinds(after) == ["Transpose", "BatchNormalization"]
    onnx.checker.check_model(after, full_check=True)
    value = np.random.default_rng(0).uniform(0, 255, (2, 4, 4, CHANNELS)).astype(np.float32)
    np.testing.assert_allclose(run(after, value)[0], run(before, value)[0], rtol=1e-6, atol=1e-5)


def test_an_image_that_is_turned_otherwise_stays_as_it_is():
    model = turned((0, 3, 2, 1))
    before = model.SerializeToString()
    restore_normalisation(model)
    assert model.SerializeToString() == before


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"scale": np.float32([[[[2]]]]), "shift": np.float32([[[[1]]]])}, id="one-number-for-all"),
        pytest.param({"shift": np.float32([[[[1]]]])}, id="of-two-shapes"),
        pytest.param({"scale": SCALE.reshape(CHANNELS, 1, 1)}, id="without-the-images"),
        pytest.param({"scale": np.ones(4, np.float32), "shift": np.ones(4, np.float32)}, id="for-each-column"),
        pytest.param({"scale": np.ones((1, CHANNELS, 4, 4), np.float32)}, id="for-each-place"),
        pytest.param({"outputs": ("out", "product")}, id="product-is-an-answer"),
        pytest.param({"extra": [helper.make_node("Neg", ["product"], ["other"])]}, id="product-is-read-twice"),
    ],
)
def test_what_is_no_normalisation_stays_as_it_is(changes):
    model = graph(**changes)
    before = model.SerializeToString()
    restore_normalisation(model)
    assert model.SerializeToString() == before


def test_two_of_the_same_width_share_their_mean_and_variance():
    again = [
        helper.make_node("Mul", ["out", "scale"], ["product 2"]),
        helper.make_node("Add", ["product 2", "shift"], ["sum 2"]),
    ]
    before, after = (graph(outputs=("sum 2",), extra=again) for _ in range(2))
    restore_normalisation(after)
    assert kinds(after) == ["BatchNormalization", "Relu", "BatchNormalization"]
    onnx.checker.check_model(after, full_check=True)
    names = [weight.name for weight in after.graph.initializer]
    assert len(names) == len(set(names))
    assert sum(name.startswith(("mean", "variance")) for name in names) == 2
    value = np.random.default_rng(1).normal(0, 5, (1, CHANNELS, 4, 4)).astype(np.float32)
    np.testing.assert_allclose(run(after, value)[0], run(before, value)[0], rtol=1e-6, atol=1e-4)


def test_the_file_of_a_network_that_normalises_first_has_it_as_one_node(tmp_path):
    image = layers.Input((8, 8, 1), dtype="uint8", name="image")
    one = layers.Conv2D(4, 3, padding="same")(ops.cast(image, "float32") / 255)
    joined = layers.Concatenate()([one, layers.Conv2D(4, 3, padding="same")(one)])
    normalisation = layers.BatchNormalization()
    last = layers.Conv2D(2, 1)(layers.ReLU()(normalisation(joined)))
    model = keras.Model(image, {"probability": layers.GlobalAveragePooling2D()(last)})
    rng = np.random.default_rng(0)
    normalisation.set_weights([rng.uniform(0.5, 1.5, 8), *rng.normal(0, 1, (2, 8)), rng.uniform(0.5, 1.5, 8)])
    export(model, tmp_path / "model.onnx")
    assert kinds(onnx.load(tmp_path / "model.onnx")).count("BatchNormalization") == 1
    images = rng.integers(0, 256, (3, 8, 8, 1), dtype=np.uint8)
    said = run((tmp_path / "model.onnx").read_bytes(), images, "image")[0]
    np.testing.assert_allclose(said, model(images)["probability"], rtol=1e-4, atol=1e-5)
