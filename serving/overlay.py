"""A heatmap over its film: where each cell of the heatmap lies on the whole film, and in which colour.

The model sees a prepared frame: the film padded, stretched or cropped. Its heatmap covers that frame, so that it is
mapped back the way `pipelines.images.prepare` came. What the model never saw stays as it is.
"""

import numpy as np
from PIL import Image

from pipelines.overlay import COLOURS, HEATS
from pipelines.recipe import ImageParams

Box = tuple[float, float, float, float]  # left, top, right, bottom


def seen_parts(film: tuple[int, int], image: ImageParams) -> tuple[Box, Box]:
    """Which part of the prepared frame shows which part of the film.

    Args:
        film: width and height, in pixels.
    Returns:
        The box in the frame and the box in the film, each in its own pixels.
    """
    frame = (image.width, image.height)
    whole_frame: Box = (0, 0, image.width, image.height)
    whole_film: Box = (0, 0, film[0], film[1])
    if image.fit == "pad":
        scale = min(frame[0] / film[0], frame[1] / film[1])
        shown = max(round(film[0] * scale), 1), max(round(film[1] * scale), 1)
        return _centred(frame, shown, whole_pixels=True), whole_film
    if image.fit == "crop":
        scale = max(frame[0] / film[0], frame[1] / film[1])
        return whole_frame, _centred(film, (frame[0] / scale, frame[1] / scale), whole_pixels=False)
    return whole_frame, whole_film


def spread(heat: np.ndarray, film: tuple[int, int], image: ImageParams) -> Image.Image:
    """A heatmap on the whole film, smoothly enlarged.

    Args:
        heat: (rows, columns) in [0, 1], over the prepared frame.
        film: width and height, in pixels.
    Returns:
        A mode L picture of the film's size, 255 where the heat is 1, 0 where the model saw nothing.
    """
    frame_box, film_box = seen_parts(film, image)
    rows, columns = heat.shape
    across, down = columns / image.width, rows / image.height
    cells = (frame_box[0] * across, frame_box[1] * down, frame_box[2] * across, frame_box[3] * down)
    left, top, right, bottom = (round(edge) for edge in film_box)
    size = (max(right - left, 1), max(bottom - top, 1))
    picture = Image.fromarray(np.clip(heat * 255, 0, 255).round().astype(np.uint8))
    canvas = Image.new("L", film)
    canvas.paste(picture.resize(size, Image.Resampling.BICUBIC, box=cells), (left, top))
    return canvas


def overlay(film: Image.Image, heat: Image.Image, opacity: float) -> Image.Image:
    """The film with heat over it, the more opaque the hotter.

    Args:
        film: mode RGB.
        heat: mode L, of the same size.
        opacity: of the hottest places, in [0, 1].
    Returns:
        A mode RGB picture of the same size.
    """
    colour = heat.convert("P")
    colour.putpalette(palette().tobytes())
    mask = heat.point([round(level * opacity) for level in range(256)])
    return Image.composite(colour.convert("RGB"), film, mask)


def palette() -> np.ndarray:
    """The colours of heat, (256, 3) uint8, from none to full."""
    channels = [np.interp(np.linspace(0, 1, 256), HEATS, COLOURS[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=1).round().astype(np.uint8)


def _centred(outer: tuple[int, int], inner: tuple[float, float], whole_pixels: bool) -> Box:
    left, top = (outer[0] - inner[0]) / 2, (outer[1] - inner[1]) / 2
    if whole_pixels:
        left, top = round(left), round(top)
    return left, top, left + inner[0], top + inner[1]
