from pathlib import Path

import pytest

from pipelines.explain import head_layers
from pipelines.models import build
from pipelines.recipe_file import load

RECIPES = Path(__file__).resolve().parents[3] / "recipes"


def built(name):
    recipe = load(RECIPES / f"{name}.yaml")
    return build(recipe.model, recipe.image, recipe.labels)


def test_the_network_of_the_folder_recipe_has_the_layers_that_its_recipe_names():
    model = built("folder")
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds[2:9] == ["Conv2D", "MaxPooling2D", "Conv2D", "MaxPooling2D", "Activation", "Flatten", "Dropout"]
    convolutions = (3 * 3 * 3 + 1) * 32 + (3 * 3 * 32 + 1) * 64
    assert model.count_params() == convolutions + (36 * 36 * 64 + 1) * 128 + 129


@pytest.mark.parametrize("name", ["demo", "chest-xray", "folder", "mnist", "cifar10", "pneumoniamnist"])
def test_every_recipe_names_a_network_whose_heatmap_has_a_closed_form(name):
    model = built(name)
    assert model.get_layer("features").output.shape[1] > 1
    assert head_layers(model)[-1].name == "logit"
