"""How well heatmaps point: at the finding that people drew, and not beside the body.

Each heatmap is brought to the size of its image as the overlay shows it. Figures of one image:

- `heat_hit`: the pointing game (Zhang et al. 2018, 10.1007/s11263-017-1059-x). 1.0 if the pixel with the most heat (the
  first, where several have it) lies in the mask, else 0.0. Zhang et al. grant 15 pixels around the mask; here none are.
- `heat_inside`: share of the heat that lies in the mask: the energy-based pointing game (Wang et al. 2020, Score-CAM,
  10.1109/CVPRW50498.2020.00020).
- `mask_share`: what chance would reach in both. Of an image with a body it is the mask's share of the body, as it takes
  no skill to leave out the dark ground; else its share of the image.
- `heat_outside_body`: share of the heat that lies beside the body.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pipelines.evaluation.body import body_of
from pipelines.overlay import spread

COLUMNS = ["heat_hit", "heat_inside", "mask_share", "heat_outside_body"]


def measure_heat(
    heat: np.ndarray, masks: Sequence[np.ndarray | None] | None, images: np.ndarray, body: bool
) -> pd.DataFrame:
    """Where the heat of each image lies.

    Args:
        heat: (n, rows, columns), not negative.
        masks: of each image (height, width) bool, None without one; or None where nobody drew any.
        images: (n, height, width, channels) uint8.
        body: whether they show one body on a dark ground.
    Returns:
        n rows, COLUMNS in [0, 1] or NaN: the first three without a mask, all but `mask_share` without any heat, and
        `heat_outside_body` without `body`.
    """
    drawn = [None] * len(images) if masks is None else masks
    rows = [_measured(*one, body) for one in zip(heat, drawn, images, strict=True)]
    return pd.DataFrame(rows, columns=COLUMNS, dtype=np.float64)


def _measured(heat: np.ndarray, mask: np.ndarray | None, image: np.ndarray, body: bool) -> dict[str, float]:
    """The figures of one image that are known."""
    shown = spread(heat, image.shape[:2]).astype(np.float64)
    total, found = float(shown.sum()), {}
    inside = body_of(image) if body else np.ones(image.shape[:2], dtype=bool)
    if mask is not None:
        found["mask_share"] = float((mask & inside).sum() / inside.sum())
    if mask is not None and total:
        found["heat_hit"] = float(mask.flat[shown.argmax()])
        found["heat_inside"] = float(shown[mask].sum() / total)
    if body and total:
        found["heat_outside_body"] = float(shown[~inside].sum() / total)
    return found
