"""How light and dark lie in an image as a whole: a second distance, put into the model file beside that of features.

Features say what an image is made of. A network that was trained to tell films apart is partly blind to what no film
differed in: one found many inverted films usual, and films of another hospital strange. So `distance` becomes the mean
of two distances, each divided by its median over the training images: that of the features, and that of the grey levels
at 16 x 16 from those of the training images (squared Mahalanobis; covariance shrunk, Ledoit and Wolf 2004). A usual
training image then has about 1. `docs/refusals.md` tells what it was chosen by.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.covariance import LedoitWolf

from pipelines.export.onnx_file import name_in_order, rename

CELLS = 16
MOST_IMAGES = 20_000  # enough for the covariance of 768 grey levels, and 120 MB of them
BLOCK = 256
ROUNDING = 1 / 12  # variance of rounding to whole grey levels: no cell is known better than that
OUTPUT = "distance"


@dataclass(frozen=True)
class Layout:
    """Of the training images.

    Args:
        rows, columns: (cells, height) and (cells, width), the weights with which pixels make up cells.
        mean: (levels,), of the grey levels of the cells, channel by channel.
        whitening: (levels, levels); the square of a difference from the mean times it is the squared Mahalanobis
            distance.
        usual: median distance of the training images.
    """

    rows: np.ndarray
    columns: np.ndarray
    mean: np.ndarray
    whitening: np.ndarray
    usual: float


def layout_of(images: np.ndarray) -> Layout:
    """What the layout of training images is like.

    Args:
        images: (n, height, width, channels) uint8, two or more; up to 20,000 of them, evenly spaced, are looked at.
    """
    rows, columns = averaging(images.shape[1]), averaging(images.shape[2])
    chosen = np.unique(np.linspace(0, len(images) - 1, MOST_IMAGES).round().astype(int))
    levels = np.concatenate(list(_levels(images, chosen, rows, columns)))
    fitted = LedoitWolf().fit(levels)
    covariance = fitted.covariance_ + ROUNDING * np.eye(levels.shape[1])
    whitening = np.linalg.cholesky(np.linalg.inv(covariance))
    distances = np.square((levels - fitted.location_) @ whitening).sum(axis=1)
    return Layout(rows, columns, fitted.location_, whitening, float(np.median(distances)))


def averaging(side: int) -> np.ndarray:
    """The matrix (cells, side) that averages a side in 16 equal parts, a pixel across a border shared; each row adds up
    to 1. A side of fewer pixels keeps each.
    """
    cells = min(CELLS, side)
    edges = np.linspace(0, side, cells + 1)
    starts, ends = edges[:-1, None], edges[1:, None]
    pixels = np.arange(side)
    covered = np.minimum(ends, pixels + 1) - np.maximum(starts, pixels)
    return np.clip(covered, 0, None) * cells / side


def bake_layout(path: Path, layout: Layout, usual_features: float) -> None:
    """Make `distance` of a model file the mean of both distances, each as a share of the usual one.

    All nodes are old ones, so that they work in the operator set of any exporter. The mean is added, not subtracted:
    the one difference behind `distance` stays that of the features (see `pipelines.evaluation.features`).

    Args:
        path: `model.onnx`, which is overwritten; the same model and layout give the same bytes.
        usual_features: median distance of the features of the training images.
    """
    model = onnx.load(path)
    rename(model.graph, OUTPUT, "distance_of_features")
    levels = len(layout.mean)
    constants = {
        "layout_rows": layout.rows.astype(np.float32),
        "layout_columns": layout.columns.T.astype(np.float32),
        "layout_minus_mean": (-layout.mean).astype(np.float32),
        "layout_whitening": (layout.whitening / np.sqrt(2 * max(layout.usual, 1e-9))).astype(np.float32),
        "layout_ones": np.ones((levels, 1), dtype=np.float32),
        "layout_shape": np.array([-1], dtype=np.int64),
        "usual_features": np.float32(0.5 / max(usual_features, 1e-9)),
    }
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items())
    model.graph.node.extend(_nodes())
    onnx.save(model, path)
    name_in_order(path)


def _nodes() -> list[onnx.NodeProto]:
    return [
        helper.make_node("Cast", ["image"], ["layout_image"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["layout_image"], ["layout_planes"], perm=[0, 3, 1, 2]),
        helper.make_node("MatMul", ["layout_rows", "layout_planes"], ["layout_bands"]),
        helper.make_node("MatMul", ["layout_bands", "layout_columns"], ["layout_cells"]),
        helper.make_node("Flatten", ["layout_cells"], ["layout_levels"], axis=1),
        helper.make_node("Add", ["layout_levels", "layout_minus_mean"], ["layout_away"]),
        helper.make_node("MatMul", ["layout_away", "layout_whitening"], ["layout_white"]),
        helper.make_node("Mul", ["layout_white", "layout_white"], ["layout_squares"]),
        helper.make_node("MatMul", ["layout_squares", "layout_ones"], ["layout_column"]),
        helper.make_node("Reshape", ["layout_column", "layout_shape"], ["distance_of_layout"]),
        helper.make_node("Mul", ["distance_of_features", "usual_features"], ["share_of_features"]),
        helper.make_node("Add", ["share_of_features", "distance_of_layout"], [OUTPUT]),
    ]


def _levels(images: np.ndarray, chosen: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> Iterator[np.ndarray]:
    """Grey levels of the cells, (images, channels x cells x cells), a block of images at a time."""
    for start in range(0, len(chosen), BLOCK):
        planes = np.asarray(images[chosen[start : start + BLOCK]], dtype=np.float64).transpose(0, 3, 1, 2)
        cells = rows @ planes @ columns.T
        yield cells.reshape(len(cells), -1)
