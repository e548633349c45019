"""What the reports of an architecture are made of: the layers of a Keras graph, the pictures, the files."""

import io
import json

import keras
import numpy as np
from keras import layers
from PIL import Image

from pipelines.architecture.keras_layers import described, feature_maps, first_filters
from pipelines.architecture.pictures import MAPS, filters_picture, maps_picture, stretched, strongest
from pipelines.architecture.write import write_architecture
from tests.pipelines.patches import draw, learner


def branching():
    """A network with every kind of way: side by side, round about, added, gated, spread and put together."""
    image = layers.Input((21, 17, 3), name="image")
    left = layers.Conv2D(8, (3, 5), strides=2, padding="same", activation="relu", name="left")(image)
    right = layers.SeparableConv2D(8, 3, strides=2, padding="same", depth_multiplier=2, name="right")(image)
    added = layers.Add(name="added")([left, right])
    gate = layers.Dense(8, "sigmoid", name="gate")(layers.GlobalAveragePooling2D(name="mean")(added))
    gated = layers.Multiply(name="gated")([added, layers.Reshape((1, 1, 8), name="shaped")(gate)])
    wide = layers.DepthwiseConv2D(3, depth_multiplier=3, use_bias=False, name="wide")(
        layers.ZeroPadding2D(((1, 2), (0, 1)), name="zeros")(gated)
    )
    normal = layers.BatchNormalization(name="normal")(wide)
    grouped = layers.Conv2D(12, 3, groups=4, dilation_rate=2, padding="same", name="grouped")(normal)
    joined = layers.Concatenate(name="joined")([normal, grouped])
    pooled = layers.AveragePooling2D(3, strides=2, padding="valid", name="pooled")(joined)
    each = layers.Dense(5, name="each")(pooled)
    return keras.Model(image, layers.Dense(1, name="logit")(layers.Flatten(name="flat")(each)))


def test_every_way_through_a_graph_follows_the_formulas():
    model = branching()
    rows = {row.name: row for row in described(model)}
    assert [row for row in rows.values() if not row.agrees] == []
    assert [row.name for row in rows.values() if row.size_by_formula is None] == ["shaped"]
    assert sum(row.parameters_by_formula or 0 for row in rows.values()) == model.count_params()
    assert rows["right"].parameters_by_formula == 3 * 3 * 3 * 2 + 6 * 8 + 8
    assert rows["grouped"].parameters_by_formula == (9 * 6 + 1) * 12
    assert rows["each"].multiply_adds == 36 * 5 * np.prod(rows["pooled"].size[:2])


def test_where_ways_meet_the_one_that_sees_farthest_counts_and_a_gate_does_not():
    rows = {row.name: row for row in described(branching())}
    fields = ["left", "right", "added", "gated", "wide", "grouped", "joined", "pooled"]
    assert [rows[name].receptive_field for name in fields] == [5, 3, 5, 5, 9, 17, 17, 21]
    assert rows["logit"].depth == 6  # left, gate, wide, grouped, each, logit


def test_a_layer_that_holds_more_than_the_formula_says_is_found():
    class Scaled(layers.Conv2D):
        def build(self, input_shape):
            super().build(input_shape)
            self.scale = self.add_weight(shape=(1,), name="scale")

    image = layers.Input((8, 8, 1))
    [row] = described(keras.Model(image, Scaled(2, 3)(image)))
    assert (row.parameters_by_formula, row.parameters, row.agrees) == (20, 21, False)


def test_filters_are_those_of_the_first_convolution_channels_last():
    model = branching()
    filters = first_filters(model)
    assert filters.shape == (8, 3, 5, 3)
    assert np.array_equal(filters[2], model.get_layer("left").get_weights()[0][..., 2])


def test_maps_are_those_of_the_first_a_middle_and_the_last_convolution():
    image = np.random.default_rng(0).integers(0, 256, (21, 17, 3), dtype=np.uint8)
    model = branching()
    maps = feature_maps(model, image)
    assert {name: one.shape for name, one in maps.items()} == {"left": (11, 9, 8), "grouped": (12, 8, 12)}
    kernel, bias = model.get_layer("left").get_weights()
    corner = np.pad(image.astype(float), ((1, 1), (2, 2), (0, 0)))[:3, :5]
    meant = np.maximum((kernel * corner[..., np.newaxis]).sum((0, 1, 2)) + bias, 0)
    assert np.allclose(maps["left"][0, 0], meant, rtol=1e-4, atol=1e-3)


def test_a_picture_is_stretched_to_its_own_range_and_three_channels_stay_in_colour():
    ramp = np.linspace(-3, 5, 18).reshape(3, 3, 2)
    assert stretched(ramp).shape == (3, 3)
    assert (stretched(ramp).min(), stretched(ramp).max()) == (0, 1)
    assert stretched(np.zeros((3, 3, 3))).shape == (3, 3, 3)
    assert not stretched(np.full((3, 3, 1), 7.0)).any()


def test_the_maps_that_vary_most_come_first():
    maps = np.zeros((4, 4, 12))
    maps[0, 0] = np.arange(12)
    assert strongest(maps).tolist() == [11, 10, 9, 8, 7, 6, 5, 4]


def test_pictures_are_large_enough_to_read_and_coloured_where_the_filters_are():
    rng = np.random.default_rng(0)
    grey, colour = (shown(filters_picture(rng.normal(size=(20, 3, 3, channels)))) for channels in (1, 3))
    assert grey.shape[1] > 1000
    assert np.ptp(grey, axis=2).max() < 30  # the ink has a little blue
    assert np.ptp(colour, axis=2).max() > 200
    maps = {"first": rng.normal(size=(28, 28, 6)), "last_with_a_long_name": rng.normal(size=(7, 7, 64))}
    height, width, _ = shown(maps_picture(rng.integers(0, 256, (28, 28, 1), dtype=np.uint8), maps)).shape
    assert width > 120 * (MAPS + 1)
    assert 0.25 < height / width < 0.4


def test_a_picture_holds_no_more_filters_than_can_be_told_apart():
    many = np.random.default_rng(0).normal(size=(300, 3, 3, 1))
    assert shown(filters_picture(many)).shape == shown(filters_picture(many[:64])).shape


def test_the_files_beside_a_model_are_the_same_for_the_same_model(training, tmp_path):
    one = learner(training())
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_architecture(tmp_path / name, one, draw(1).images[0])
    for file in ("architecture.json", "filters.png", "maps.png"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    told = json.loads((tmp_path / "one" / "architecture.json").read_text())
    assert told["totals"]["parameters"] == one.parameters
    assert told["input"] == [16, 16, 1]


def shown(png):
    """(rows, columns, 3) of a PNG file."""
    with Image.open(io.BytesIO(png)) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)
