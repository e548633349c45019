from pathlib import Path

import pytest

from pipelines.export.explain import head_layers
from pipelines.models import build
from pipelines.recipe_file import load
from tests.pipelines.models.tiny import described

RECIPES = Path(__file__).resolve().parents[3] / "recipes"


def of_recipe(name):
    recipe = load(RECIPES / f"{name}.yaml")
    return build(recipe.model, recipe.image, recipe.labels)


def kinds(model):
    """The layers behind the rescaling, without the one that only names the last map."""
    return [type(layer).__name__ for layer in model.layers[2:] if layer.name != "features"]


CLASSIFIED = ["Dense", "Activation"]


def test_the_network_for_digits_has_the_layers_of_its_description():
    model = of_recipe("mnist")
    block = ["Conv2D", "BatchNormalization", "MaxPooling2D"]
    assert kinds(model) == [*block, *block, "Flatten", "Dense", "Dropout", *CLASSIFIED]
    convolutions = (9 + 1) * 32 + 4 * 32 + (9 * 32 + 1) * 64 + 4 * 64
    assert model.count_params() == convolutions + (5 * 5 * 64 + 1) * 128 + 129 * 10
    assert model.get_layer("features").output.shape == (None, 11, 11, 64)


def test_the_network_for_small_colour_pictures_has_the_layers_of_its_description():
    model = of_recipe("cifar10")
    block = [*["Conv2D", "BatchNormalization"] * 2, "MaxPooling2D", "Dropout"]
    assert kinds(model) == [*block, *block, "Flatten", "Dense", "BatchNormalization", "Dropout", *CLASSIFIED]
    convolutions = sum((9 * before + 1 + 4) * after for before, after in ((3, 32), (32, 32), (32, 64), (64, 64)))
    assert model.count_params() == convolutions + (8 * 8 * 64 + 1 + 4) * 512 + 513 * 10
    assert model.get_layer("features").output.shape == (None, 16, 16, 64)
    rates = [layer.rate for layer in model.layers if type(layer).__name__ == "Dropout"]
    assert rates == [0.25, 0.25, 0.5]


def test_the_network_of_the_folder_recipe_has_the_layers_that_its_recipe_names():
    model = of_recipe("folder")
    block = ["Conv2D", "MaxPooling2D"]
    assert kinds(model) == [*block, *block, "Flatten", "Dropout", "Dense", "Dropout", *CLASSIFIED]
    convolutions = (3 * 3 * 3 + 1) * 32 + (3 * 3 * 32 + 1) * 64
    assert model.count_params() == convolutions + (36 * 36 * 64 + 1) * 128 + 129
    assert model.get_layer("features").output.shape == (None, 72, 72, 64)


def test_the_network_of_the_demo_keeps_the_order_of_its_weights():
    convolution, normalised = ["kernel"], ["gamma", "beta", "moving_mean", "moving_variance"]
    dense = ["kernel", "bias"]
    weights = described("small-cnn").weights
    assert [weight.name for weight in weights] == [*convolution, *normalised] * 2 + dense * 2
    assert [tuple(weight.shape) for weight in weights[::5][:2]] == [(3, 3, 1, 4), (3, 3, 4, 6)]


@pytest.mark.parametrize("name", ["small-cnn", "mnist-cnn", "cifar-cnn", "custom-cnn"])
def test_there_are_as_many_blocks_as_filters(name):
    for filters in ((3,), (3, 5), (3, 5, 7)):
        model = described(name, filters=filters)
        assert model.get_layer("features").output.shape[-1] == filters[-1]
        found = [layer.filters for layer in model.layers if type(layer).__name__ == "Conv2D"]
        assert sorted(set(found)) == list(filters)


@pytest.mark.parametrize("name", ["demo", "chest-xray", "folder", "mnist", "cifar10", "pneumoniamnist"])
def test_every_recipe_names_a_network_whose_heatmap_has_a_closed_form(name):
    model = of_recipe(name)
    assert model.get_layer("features").output.shape[1] >= 7
    assert head_layers(model)[-1].name == "logit"
