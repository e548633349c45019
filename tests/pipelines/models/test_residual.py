import pytest

from pipelines.models import build
from pipelines.recipe import ImageParams
from tests.pipelines.models.tiny import described, labels_of, section


@pytest.mark.parametrize(
    ("side", "levels", "cells"),
    [(28, 3, 7), (28, 5, 7), (32, 3, 8), (64, 3, 16), (64, 4, 8), (112, 3, 14), (224, 3, 14), (224, 4, 7), (224, 6, 7)],
)
def test_levels_halve_the_map_down_to_seven_cells(side, levels, cells):
    model = described("residual-cnn", side=side, filters=(4,) * levels)
    assert model.get_layer("features").output.shape[1:3] == (cells, cells)


def test_a_level_has_blocks_of_two_convolutions_and_a_shortcut():
    model = described("residual-cnn", filters=(8, 16), blocks=2)
    convolutions = [layer for layer in model.layers if type(layer).__name__ == "Conv2D"]
    assert len(convolutions) == 1 + 2 * 2 * 2 + 1
    (shortcut,) = [layer for layer in convolutions if layer.kernel_size == (1, 1)]
    assert (shortcut.filters, shortcut.strides) == (16, (1, 1))
    assert type(shortcut.input._keras_history.operation).__name__ == "AveragePooling2D"
    assert sum(type(layer).__name__ == "Add" for layer in model.layers) == 4


def test_the_shorter_side_decides_how_often_a_map_is_halved():
    image = ImageParams(levels="stored", height=28, width=56, channels=1, fit="pad")
    model = build(section("residual-cnn", filters=(4, 4, 4, 4)), image, labels_of(2))
    assert model.get_layer("features").output.shape[1:3] == (7, 14)
