import keras
import numpy as np
import onnx
import pytest
from keras import layers
from sklearn.covariance import LedoitWolf

from pipelines.errors import ModelError
from pipelines.export.explain import Mahalanobis, feature_extractor, head_layers, inference_model, vector_layers
from pipelines.export.familiarity import FeatureStatistics, distances, feature_statistics
from pipelines.export.keras_export import export, proven
from pipelines.inference import Graph
from tests.pipelines.models.tiny import both_ways, grad_cam_by_automatic_differentiation, with_drawn_statistics

CHANNELS = 6
STATISTICS = FeatureStatistics(np.zeros(CHANNELS, "float32"), np.eye(CHANNELS, dtype="float32"))


def chained(*kinds):
    """Layers one behind the other, from the feature map to the vector that the logits are made of."""

    def head(flow):
        for kind, *told in kinds:
            options = told.pop() if told and isinstance(told[-1], dict) else {}
            flow = getattr(layers, kind)(*told, **options)(flow)
        return flow

    return head


HEADS = {
    "averaging": chained(("GlobalAveragePooling2D",)),
    "maximum": chained(("GlobalMaxPooling2D",)),
    "averaging and dense": chained(("GlobalAveragePooling2D",), ("Dense", 16, "relu")),
    "flatten": chained(("Flatten",)),
    "flatten and dense": chained(("Flatten",), ("Dense", 16, "tanh")),
    "flatten, dropout, two dense": chained(
        ("Flatten",), ("Dropout", 0.5), ("Dense", 7, "relu6"), ("Dense", 16, "relu")
    ),
    "flatten, normalised before dense": chained(("Flatten",), ("BatchNormalization",), ("Dense", 16, "sigmoid")),
    "normalised behind dense": chained(
        ("Flatten",), ("Dense", 16), ("BatchNormalization",), ("Activation", "relu"), ("Dropout", 0.5)
    ),
    "pool": chained(("MaxPooling2D",), ("Flatten",), ("Dense", 16, "relu")),
    "overlapping pool": chained(("MaxPooling2D", 3, 2), ("Flatten",), ("Dropout", 0.5), ("Dense", 16, "relu")),
    "padded pool": chained(("MaxPooling2D", 3, 2, "same"), ("Flatten",)),
    "average pool": chained(("AveragePooling2D", 2), ("Flatten",), ("Dense", 16, "tanh")),
    "padded average pool": chained(("AveragePooling2D", 3, 2, "same"), ("Flatten",)),
    "overlapping average pool": chained(("AveragePooling2D", 3, 1), ("Flatten",)),
    "two pools": chained(("MaxPooling2D", 2, 1), ("AveragePooling2D", 2), ("Flatten",)),
    "pool and averaging": chained(("MaxPooling2D", 2), ("GlobalAveragePooling2D",), ("Dense", 16, "relu")),
    "normalised map": chained(("BatchNormalization",), ("MaxPooling2D",), ("Dropout", 0.5), ("Flatten",)),
    "normalised without scale": chained(("BatchNormalization", {"scale": False}), ("GlobalAveragePooling2D",)),
}


def network(head, outputs=1):
    """A small model with random weights, batch normalisation's included; the map has many zeros and so many ties."""
    keras.utils.set_random_seed(4)
    start = layers.Input((12, 10, 1), name="image")
    flow = layers.Conv2D(CHANNELS, 3, activation="relu")(layers.Rescaling(1 / 255, -0.5)(start))
    features = layers.Activation("linear", name="features")(flow)
    logit = layers.Dense(outputs, name="logit")(HEADS[head](features))
    end = layers.Activation("sigmoid" if outputs == 1 else "softmax", name="probability")(logit)
    return with_drawn_statistics(keras.Model(start, end))


@pytest.fixture
def pictures(rng):
    return rng.integers(0, 256, (7, 12, 10, 1), dtype=np.uint8)


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("head", HEADS)
def test_the_closed_form_equals_the_gradient(head, outputs, pictures):
    model = network(head, outputs)
    peaks = []
    for turned in both_ways(model):
        heat = keras.ops.convert_to_numpy(inference_model(turned, STATISTICS, 1)(pictures)["heatmap"])
        expected = grad_cam_by_automatic_differentiation(turned, pictures)
        peaks.append(expected.max())
        assert np.abs(heat - expected).max() <= 1e-5 * peaks[-1]
    assert max(peaks) > 0


@pytest.mark.parametrize("head", ["flatten", "overlapping pool", "padded average pool", "normalised map"])
def test_the_heatmap_is_as_fine_as_the_last_map(head, pictures):
    heat = inference_model(network(head), STATISTICS, 1)(pictures)["heatmap"]
    assert heat.shape == (len(pictures), 10, 8)


def test_the_vector_begins_behind_pooling():
    assert [type(layer).__name__ for layer in vector_layers(network("overlapping pool"))][:2] == ["Flatten", "Dropout"]
    assert type(vector_layers(network("averaging"))[0]).__name__ == "GlobalAveragePooling2D"


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("head", ["averaging", "flatten, dropout, two dense", "normalised map"])
def test_the_exported_file_says_what_the_model_says(head, outputs, pictures, tmp_path):
    whole = inference_model(network(head, outputs), STATISTICS, 1)
    export(whole, tmp_path / "model.onnx")
    assert max(proven(whole, tmp_path / "model.onnx", pictures).values()) < 1e-4
    answers = Graph(tmp_path / "model.onnx").answer(pictures[:1])
    assert answers.probability.shape == (1, max(outputs, 2))
    assert answers.distance.shape == (1,)


def test_a_file_that_says_something_else_is_refused(pictures, tmp_path):
    export(inference_model(network("averaging"), STATISTICS, 1), tmp_path / "model.onnx")
    other = inference_model(network("averaging and dense"), STATISTICS, 1)
    with pytest.raises(ModelError, match="differs from the model's"):
        proven(other, tmp_path / "model.onnx", pictures)


@pytest.mark.parametrize("positive", [0, 1])
def test_the_positive_class_has_its_column(positive, pictures):
    model = network("averaging")
    both = keras.ops.convert_to_numpy(inference_model(model, STATISTICS, positive)(pictures)["probability"])
    single = keras.ops.convert_to_numpy(model(pictures.astype("float32")))[:, 0]
    assert np.allclose(both[:, positive], single, atol=1e-6)
    assert np.allclose(both.sum(axis=1), 1, atol=1e-6)


def test_distance_is_that_of_mahalanobis(pictures, rng):
    model = network("averaging")
    features = feature_extractor(model).predict(pictures.astype("float32"), verbose=0)
    training = rng.normal(size=(200, CHANNELS)).astype("float32")
    statistics = feature_statistics(training)
    found = keras.ops.convert_to_numpy(inference_model(model, statistics, 1)(pictures)["distance"])
    away = (features - training.mean(axis=0)).astype("float64")
    precision = LedoitWolf().fit(training.astype("float64")).precision_
    assert np.allclose(found, [row @ precision @ row for row in away], rtol=1e-4)


def test_single_precision_is_enough_for_features_that_go_together(rng):
    """As the channels of a trained network do: here the covariance has a condition of some 4,000."""
    shared = rng.normal(size=(4000, 1)) * 30 + rng.normal(size=(4000, CHANNELS))
    statistics = feature_statistics(shared.astype("float32"))
    looked_at = shared[:500].astype("float32")
    away = looked_at.astype("float64") - statistics.mean
    meant = np.square(away @ statistics.whitening.astype("float64")).sum(axis=1)
    found = keras.ops.convert_to_numpy(Mahalanobis(statistics)(looked_at[:, None, None, :]))
    assert np.abs(found - meant).max() <= 1e-5 * meant.max()


def test_the_file_adds_up_large_maps_as_exactly_as_small_ones(tmp_path):
    """The fourth digit of a distance was lost where a file summed some thousand cells one after the other."""
    keras.utils.set_random_seed(2)
    start = layers.Input((120, 100, 1), name="image")
    flow = layers.Conv2D(CHANNELS, 3, activation="relu", bias_initializer="ones")(layers.Rescaling(1 / 255)(start))
    features = layers.Activation("linear", name="features")(flow)
    logit = layers.Dense(1, name="logit")(layers.GlobalAveragePooling2D()(features))
    model = keras.Model(start, layers.Activation("sigmoid", name="probability")(logit))
    images = np.random.default_rng(2).integers(0, 256, (60, 120, 100, 1), dtype=np.uint8)
    maps = keras.ops.convert_to_numpy(keras.Model(start, features)(images.astype("float32")))
    pooled = maps.astype("float64").mean(axis=(1, 2))
    statistics = feature_statistics(pooled.astype("float32"))
    export(inference_model(model, statistics, 1), tmp_path / "model.onnx")
    meant = distances(pooled, statistics)
    assert np.abs(Graph(tmp_path / "model.onnx").answer(images).distance - meant).max() <= 1e-5 * meant.max()


def odd(*kinds):
    """A model with a layer named `odd` that no closed form covers."""
    start = layers.Input((8, 8, 1), name="image")
    flow = layers.Conv2D(CHANNELS, 3, name="features")(start)
    return keras.Model(start, layers.Activation("sigmoid")(layers.Dense(1, name="logit")(chained(*kinds)(flow))))


NAMED = {"name": "odd"}
ODD = {
    "LayerNormalization": (("GlobalAveragePooling2D",), ("LayerNormalization", NAMED)),
    "Conv2D": (("Conv2D", 3, 3, NAMED), ("Flatten",)),
    "Activation": (("Activation", "relu", NAMED), ("MaxPooling2D",), ("Flatten",)),
    "SpatialDropout2D": (("SpatialDropout2D", 0.1, NAMED), ("Flatten",)),
    "Reshape": (("Reshape", (12, 18), NAMED), ("Flatten",)),
}


@pytest.mark.parametrize("kind", ODD)
def test_a_head_whose_derivative_is_not_known_is_named(kind):
    with pytest.raises(ModelError, match=rf"has odd \({kind}\), whose derivative is not known"):
        head_layers(odd(*ODD[kind]))


def test_a_normalisation_along_another_axis_is_refused():
    with pytest.raises(ModelError, match=r"odd normalises along axis 1\. Expected the channels, axis -1"):
        head_layers(odd(("BatchNormalization", {"axis": 1, "name": "odd"}), ("Flatten",)))


def test_an_activation_whose_derivative_is_not_known_is_named(pictures):
    start = layers.Input((12, 10, 1), name="image")
    features = layers.Conv2D(CHANNELS, 3, name="features")(start)
    flow = layers.Dense(4, activation="softsign")(layers.GlobalAveragePooling2D()(features))
    model = keras.Model(start, layers.Activation("sigmoid")(layers.Dense(1, name="logit")(flow)))
    with pytest.raises(ModelError, match="activation 'softsign'"):
        inference_model(model, STATISTICS, 1)


def test_the_same_model_gives_the_same_bytes_and_plain_names(tmp_path):
    whole = inference_model(network("averaging and dense"), STATISTICS, 1)
    for name in ("one.onnx", "two.onnx"):
        export(whole, tmp_path / name)
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "two.onnx").read_bytes()
    graph = onnx.load(tmp_path / "one.onnx").graph
    assert {value.name for value in graph.output} == {"probability", "heatmap", "distance"}
    assert [dim.dim_param or dim.dim_value for dim in graph.input[0].type.tensor_type.shape.dim] == ["n", 12, 10, 1]
