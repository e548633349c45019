"""Pictures of what a network holds and sees: the filters of its first convolution, and the feature maps of a film."""

from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from pipelines.plot_style import SOFT, as_png, styled

MOST_FILTERS, FILTERS_A_ROW, MAPS = 64, 16, 8
FILTER_INCHES, TILE_INCHES, HEADING_INCHES = 0.62, 1.2, 0.42


def filters_picture(filters: np.ndarray) -> bytes:
    """The filters as a PNG, each stretched to its own range: black is its lowest weight, white its highest.

    Args:
        filters: (filters, rows, columns, channels); those of three channels are shown in colour, others by their mean.
    """
    shown = filters[:MOST_FILTERS]
    columns = min(FILTERS_A_ROW, len(shown))
    rows = -(-len(shown) // columns)
    with styled():
        figure = Figure(figsize=(FILTER_INCHES * columns, FILTER_INCHES * rows))
        axes = figure.subplots(rows, columns, squeeze=False, gridspec_kw={"wspace": 0.2, "hspace": 0.2})
        for axis in axes.flat[len(shown) :]:
            axis.axis("off")
        for axis, one in zip(axes.flat, shown, strict=False):
            _show(axis, stretched(one))
        figure.subplots_adjust(0.01, 0.01, 0.99, 0.99)
        return as_png(figure)


def maps_picture(image: np.ndarray, maps: Mapping[str, np.ndarray]) -> bytes:
    """For each layer an image, and beside it the maps that answer it most, as a PNG; bright is a strong answer.

    Args:
        image: (height, width, channels) uint8.
        maps: (rows, columns, channels) by the layer's name.
    """
    height = TILE_INCHES * image.shape[0] / image.shape[1] + HEADING_INCHES
    with styled():
        figure = Figure(figsize=(TILE_INCHES * (MAPS + 1), height * len(maps)))
        axes = figure.subplots(len(maps), MAPS + 1, squeeze=False, gridspec_kw={"wspace": 0.06, "hspace": 0.42})
        for row, (name, found) in zip(axes, maps.items(), strict=True):
            row[0].annotate(
                f"{name}: {found.shape[2]} maps of {found.shape[0]} x {found.shape[1]}",
                (0, 1),
                (0, 15),
                xycoords="axes fraction",
                textcoords="offset points",
                fontsize=9,
            )
            _show(row[0], image[:, :, 0] if image.shape[2] == 1 else image, "image")
            chosen = strongest(found)
            for axis, channel in zip(row[1:], chosen, strict=False):
                _show(axis, stretched(found[:, :, [channel]]), f"map {channel}")
            for axis in row[1 + len(chosen) :]:
                axis.axis("off")
        figure.subplots_adjust(0.005, 0.01, 0.995, 0.9)
        return as_png(figure)


def strongest(maps: np.ndarray) -> np.ndarray:
    """Numbers of the maps that vary most over their cells, the first of them first.

    Args:
        maps: (rows, columns, channels).
    """
    return np.argsort(-maps.std(axis=(0, 1)), kind="stable")[:MAPS]


def stretched(picture: np.ndarray) -> np.ndarray:
    """A picture in its own range, in [0, 1]: (rows, columns, 3) in colour, all others (rows, columns)."""
    picture = picture if picture.shape[2] == 3 else picture.mean(axis=2)
    low, high = picture.min(), picture.max()
    return (picture - low) / max(high - low, 1e-9)


def _show(axis: mpl.axes.Axes, picture: np.ndarray, caption: str = "") -> None:
    axis.imshow(picture, cmap="gray", interpolation="nearest")
    axis.set(xticks=[], yticks=[])
    axis.grid(False)
    axis.set_title(caption, fontsize=8, loc="center", pad=2)
    for spine in axis.spines.values():
        spine.set(visible=True, color=SOFT, linewidth=0.6)
