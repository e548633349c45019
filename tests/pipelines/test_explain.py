import keras
import numpy as np
import onnx
import pytest
from keras import layers

from pipelines.errors import ModelError
from pipelines.explain import (
    FeatureStatistics,
    feature_extractor,
    feature_statistics,
    head_layers,
    inference_model,
)
from pipelines.export import export, parity
from pipelines.inference import Graph

CHANNELS = 6
STATISTICS = FeatureStatistics(np.zeros(CHANNELS, "float32"), np.eye(CHANNELS, dtype="float32"))

HEADS = {
    "pooling": lambda flow: layers.GlobalAveragePooling2D()(flow),
    "pooling and dense": lambda flow: layers.Dense(5, activation="relu")(layers.GlobalAveragePooling2D()(flow)),
    "flatten and dense": lambda flow: layers.Dense(5, activation="tanh")(layers.Flatten()(flow)),
    "normalised": lambda flow: layers.Dropout(0.5)(
        layers.Activation("relu")(layers.BatchNormalization()(layers.Dense(5)(layers.Flatten()(flow))))
    ),
}


def network(head, outputs=1):
    """A small model with random weights, batch normalisation's included."""
    keras.utils.set_random_seed(3)
    start = layers.Input((12, 10, 1), name="image")
    flow = layers.Conv2D(CHANNELS, 3, strides=2, activation="tanh")(layers.Rescaling(1 / 255)(start))
    features = layers.Activation("linear", name="features")(flow)
    logit = layers.Dense(outputs, name="logit")(HEADS[head](features))
    end = layers.Activation("sigmoid" if outputs == 1 else "softmax", name="probability")(logit)
    model = keras.Model(start, end)
    for weight in model.weights:
        if "variance" in weight.path or "gamma" in weight.path:
            weight.assign(keras.random.uniform(weight.shape, 0.5, 2.0, seed=1))
    return model


def grad_cam_by_automatic_differentiation(model, images):
    """Grad-CAM as its paper writes it, with a gradient tape."""
    import tensorflow as tf

    taps = keras.Model(model.input, [model.get_layer("features").output, model.get_layer("logit").output])
    with tf.GradientTape() as tape:
        features, logits = taps(images.astype("float32"))
        score = tf.reduce_max(logits, axis=1) if logits.shape[1] > 1 else logits[:, 0]
    gradient = tape.gradient(score, features)
    weights = tf.reduce_mean(gradient, axis=(1, 2), keepdims=True)
    return tf.nn.relu(tf.reduce_sum(features * weights, axis=-1)).numpy()


@pytest.fixture
def pictures(rng):
    return rng.integers(0, 256, (7, 12, 10, 1), dtype=np.uint8)


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("head", HEADS)
def test_the_closed_form_equals_the_gradient(head, outputs, pictures):
    model = network(head, outputs)
    heat = keras.ops.convert_to_numpy(inference_model(model, STATISTICS, 1)(pictures)["heatmap"])
    expected = grad_cam_by_automatic_differentiation(model, pictures)
    assert expected.max() > 0
    assert np.allclose(heat, expected, atol=1e-5 * expected.max())


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("head", HEADS)
def test_the_exported_file_says_what_the_model_says(head, outputs, pictures, tmp_path):
    whole = inference_model(network(head, outputs), STATISTICS, 1)
    export(whole, tmp_path / "model.onnx")
    assert max(parity(whole, tmp_path / "model.onnx", pictures).values()) < 1e-4
    answers = Graph(tmp_path / "model.onnx").answer(pictures[:1])
    assert answers.probability.shape == (1, max(outputs, 2))
    assert answers.distance.shape == (1,)


def test_a_file_that_says_something_else_is_refused(pictures, tmp_path):
    export(inference_model(network("pooling"), STATISTICS, 1), tmp_path / "model.onnx")
    other = inference_model(network("pooling and dense"), STATISTICS, 1)
    with pytest.raises(ModelError, match="differs from the model's"):
        parity(other, tmp_path / "model.onnx", pictures)


@pytest.mark.parametrize("positive", [0, 1])
def test_the_positive_class_has_its_column(positive, pictures):
    model = network("pooling")
    both = keras.ops.convert_to_numpy(inference_model(model, STATISTICS, positive)(pictures)["probability"])
    single = keras.ops.convert_to_numpy(model(pictures.astype("float32")))[:, 0]
    assert np.allclose(both[:, positive], single, atol=1e-6)
    assert np.allclose(both.sum(axis=1), 1, atol=1e-6)


def test_distance_is_that_of_mahalanobis(pictures, rng):
    model = network("pooling")
    features = feature_extractor(model).predict(pictures.astype("float32"), verbose=0)
    training = rng.normal(size=(200, CHANNELS)).astype("float32")
    statistics = feature_statistics(training)
    found = keras.ops.convert_to_numpy(inference_model(model, statistics, 1)(pictures)["distance"])
    away = features - training.mean(axis=0)
    assert np.allclose(found, [row @ statistics.precision @ row for row in away], rtol=1e-4)


def test_a_head_whose_derivative_is_not_known_is_named():
    start = layers.Input((8, 8, 1), name="image")
    features = layers.Conv2D(CHANNELS, 3, name="features")(start)
    flow = layers.LayerNormalization(name="odd")(layers.GlobalAveragePooling2D()(features))
    model = keras.Model(start, layers.Activation("sigmoid")(layers.Dense(1, name="logit")(flow)))
    with pytest.raises(ModelError, match=r"has odd \(LayerNormalization\)"):
        head_layers(model)


def test_an_activation_whose_derivative_is_not_known_is_named(pictures):
    start = layers.Input((12, 10, 1), name="image")
    features = layers.Conv2D(CHANNELS, 3, name="features")(start)
    flow = layers.Dense(4, activation="softsign")(layers.GlobalAveragePooling2D()(features))
    model = keras.Model(start, layers.Activation("sigmoid")(layers.Dense(1, name="logit")(flow)))
    with pytest.raises(ModelError, match="activation 'softsign'"):
        inference_model(model, STATISTICS, 1)


def test_the_same_model_gives_the_same_bytes_and_plain_names(tmp_path):
    whole = inference_model(network("pooling and dense"), STATISTICS, 1)
    for name in ("one.onnx", "two.onnx"):
        export(whole, tmp_path / name)
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "two.onnx").read_bytes()
    graph = onnx.load(tmp_path / "one.onnx").graph
    assert {value.name for value in graph.output} == {"probability", "heatmap", "distance"}
    assert [dim.dim_param or dim.dim_value for dim in graph.input[0].type.tensor_type.shape.dim] == ["n", 12, 10, 1]
