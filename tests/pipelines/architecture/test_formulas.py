import math

import pytest

from pipelines.architecture.formulas import Layer, Window, as_json, facts, totals
from pipelines.architecture.keras_layers import described as facts_of
from tests.pipelines.models.tiny import described, known

# LeCun et al. 1998: filter, size and parameters of each layer of LeNet-5 as it is built today.
LENET = {
    "C1": ("5 x 5", (28, 28, 6), 156, 5),
    "S2": ("2 x 2", (14, 14, 6), 0, 6),
    "C3": ("5 x 5", (10, 10, 16), 2416, 14),
    "S4": ("2 x 2", (5, 5, 16), 0, 16),
    "C5": ("", (120,), 48120, None),
    "F6": ("", (84,), 10164, None),
    "logit": ("", (10,), 850, None),
}
SIZES = [
    ("lenet-5", 32, 1, 10, {}),
    ("alexnet", 227, 3, 1000, {"dense": 4096}),
    ("vgg16", 224, 3, 1000, {"dense": 4096}),
    ("residual-cnn", 28, 1, 2, {}),
    ("cifar-cnn", 32, 3, 10, {}),
    ("densenet121", 64, 3, 2, {}),
    ("efficientnet-b0", 64, 3, 2, {}),
    ("efficientnet-lite0", 64, 1, 2, {}),
]


def network(name, side, channels, classes, changes):
    return described(name, side=side, channels=channels, classes=classes, **changes)


@pytest.mark.parametrize("size", SIZES, ids=[size[0] for size in SIZES])
def test_the_formulas_give_what_keras_made_of_every_layer(size):
    model = network(*size)
    rows = facts_of(model)
    assert [row.name for row in rows if not row.agrees] == []
    assert totals(rows)["parameters"] == model.count_params()
    assert totals(rows)["trained"] == sum(math.prod(weight.shape) for weight in model.trainable_weights)
    unknown = {row.name for row in rows if row.kind == "other"}
    kinds = {type(operation).__name__ for operation in model.operations if operation.name in unknown}
    assert kinds <= {"Take", "Reshape"}  # they hold nothing


@pytest.mark.parametrize(
    ("name", "field"), [("alexnet", 195), ("resnet50", 483), ("vgg16", 212), ("efficientnet-b0", 851)]
)
def test_receptive_fields_are_the_published_ones(name, field):
    """Those of AlexNet, ResNet50 and VGG16 stand in Araujo et al. 2019, 10.23915/distill.00021."""
    side = 227 if name == "alexnet" else 224
    assert totals(facts_of(known(name, side=side, channels=3)))["receptive_field"] == field


def test_lenet_is_that_of_the_paper():
    rows = {row.name: row for row in facts_of(network("lenet-5", 32, 1, 10, {}))}
    for name, (kernel, size, parameters, field) in LENET.items():
        found = rows[name]
        assert (found.filter, found.size_by_formula, found.parameters_by_formula) == (kernel, size, parameters)
        assert field is None or found.receptive_field == field
    told = totals(list(rows.values()))
    assert (told["depth"], told["parameters"], told["filters"]) == (5, 61706, ["5 x 5"])
    assert told["multiply_adds"] == 28**2 * 150 + 10**2 * 2400 + 48000 + 10080 + 840


def test_vgg16_has_the_published_depth_parameters_work_and_receptive_field():
    rows = facts_of(network("vgg16", 224, 3, 1000, {"dense": 4096}))
    told = totals(rows)
    assert (told["depth"], told["parameters"], told["filters"]) == (16, 138_357_544, ["3 x 3"])
    assert told["multiply_adds"] == 15_470_264_320
    fields = [row.receptive_field for row in rows if row.kind == "pooling"]
    assert fields == [6, 16, 44, 100, 212]
    assert next(row.receptive_field for row in rows if row.name == "block5_conv3") == 196


def test_alexnet_counts_its_groups_as_one_layer_of_depth():
    told = totals(facts_of(network("alexnet", 227, 3, 1000, {"dense": 4096})))
    assert (told["depth"], told["parameters"], told["multiply_adds"]) == (8, 60_965_224, 724_406_816)


@pytest.mark.parametrize(
    ("side", "kernel", "stride", "padding", "expected"),
    [
        (32, 5, 1, "valid", 28),
        (227, 11, 4, "valid", 55),
        (7, 3, 2, "same", 4),
        (8, 2, 2, "valid", 4),
        (5, 2, 2, "valid", 2),
    ],
)
def test_output_sizes_follow_the_formula(side, kernel, stride, padding, expected):
    window = Window((kernel, kernel), (stride, stride), padding)
    assert window.over((side, side, 3)) == (expected, expected)


def test_a_layer_that_is_not_as_the_formulas_say_is_told_of():
    odd = Layer("odd", "convolution", (), Window((3, 3)), 4, True, (26, 26, 4), 41)
    [row] = facts([odd], (28, 28, 1))
    assert (row.parameters_by_formula, row.parameters, row.agrees) == (40, 41, False)
    assert as_json([row])["layers"][0]["agrees"] is False


def test_a_branch_sees_as_far_as_its_farthest_way():
    near = Layer("near", "convolution", (), Window((1, 1)), 4, False, (28, 28, 4), 4)
    far = Layer("far", "convolution", (), Window((5, 5), padding="same"), 4, False, (28, 28, 4), 100)
    both = Layer("both", "addition", ("near", "far"), Window(), 0, False, (28, 28, 4), 0)
    row = facts([near, far, both], (28, 28, 1))[-1]
    assert row.receptive_field == 5
    assert math.prod(row.size_by_formula) == 28 * 28 * 4


def test_zeros_on_each_side_and_dilation_count_in_the_output_size():
    assert Window((7, 7), (2, 2), zeros=(6, 6)).over((224, 224, 3)) == (112, 112)
    assert Window((3, 3), dilation=(2, 2)).over((28, 28, 1)) == (24, 24)
    assert Window((3, 3), zeros=(2, 2)).padding_in_words() == "1"
    assert Window((3, 3), (2, 2), zeros=(1, 1)).padding_in_words() == "1 x 1 in all"


def test_a_kind_of_layer_without_a_formula_claims_nothing():
    odd = Layer("odd", "other", (), Window(), 0, False, (28, 28, 1), 7)
    [row] = facts([odd], (28, 28, 1))
    assert (row.size_by_formula, row.parameters_by_formula, row.agrees) == (None, None, True)
    assert totals([row])["parameters"] == 7


def test_a_gate_that_sees_the_whole_image_does_not_widen_the_field():
    map_, vector = (14, 14, 4), (4,)
    before = Layer("before", "convolution", (), Window((3, 3), padding="same"), 4, True, map_, 40)
    pooled = Layer("pooled", "global pooling", ("before",), Window(), 0, False, vector, 0)
    gate = Layer("gate", "other", ("pooled",), Window(), 0, False, (1, 1, 4), 0)
    gated = Layer("gated", "multiplication", ("before", "gate"), Window(), 0, False, map_, 0)
    rows = {row.name: row for row in facts([before, pooled, gate, gated], map_)}
    assert (rows["pooled"].receptive_field, rows["gated"].receptive_field) == (16, 3)
    assert rows["gated"].agrees
