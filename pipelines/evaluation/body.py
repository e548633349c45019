"""Where the body is on an image that shows one body on a dark ground, so that heat beside it can be counted.

The ground is what is dark and can be reached from the border: lungs are as dark, but the chest wall encloses them.
Where the wall is dim a leak is narrow, so only a disc that fits into the dark may walk in from the border. Letters and
lines beside the body are taken off the same way: the disc does not fit into them.
"""

import numpy as np
from PIL import Image
from scipy import ndimage

SIDE = 96  # pixels of the longer side at which the outline is sought
DISC = 3  # radius of the disc, in those pixels
GRAIN = 0.8  # deviation of the Gaussian that smooths the film's grain, in those pixels
BRIGHT = 0.95  # quantile of the grey levels that stands for bone and soft tissue
DARK = 0.2  # share of that level up to which a pixel is dark, on stored and on equalized films


def body_of(image: np.ndarray) -> np.ndarray:
    """The body of an image; everything, where nothing dark reaches in from the border.

    Args:
        image: (height, width, channels) uint8.
    Returns:
        (height, width) bool, at least one pixel true.
    """
    height, width = image.shape[:2]
    body = _outlined(_small(image))
    return np.asarray(Image.fromarray(body).resize((width, height), Image.Resampling.NEAREST))


def _small(image: np.ndarray) -> np.ndarray:
    """Grey levels, the longer side SIDE pixels, without grain."""
    grey = Image.fromarray(image.mean(axis=2).astype(np.uint8))
    scale = SIDE / max(grey.size)
    small = grey.resize((max(1, round(grey.width * scale)), max(1, round(grey.height * scale))), Image.Resampling.BOX)
    return ndimage.gaussian_filter(np.asarray(small, dtype=np.float32), GRAIN, mode="nearest")


def _outlined(grey: np.ndarray) -> np.ndarray:
    margin = DISC + 1  # so that what touches the border goes on beyond it
    dark = np.pad(grey <= DARK * np.quantile(grey, BRIGHT), margin, mode="edge")
    ground = _grown(_touching_border(_shrunk(dark))) & dark
    core = _largest(_shrunk(ndimage.binary_fill_holes(~ground)))
    body = (_grown(core) & ~ground)[margin:-margin, margin:-margin]
    return body if body.any() else np.ones_like(grey, dtype=bool)


def _shrunk(area: np.ndarray) -> np.ndarray:
    """Where the centre of a disc can stand that lies in the area."""
    return area if area.all() else ndimage.distance_transform_edt(area) > DISC


def _grown(centres: np.ndarray) -> np.ndarray:
    """What discs with these centres cover."""
    return ndimage.distance_transform_edt(~centres) <= DISC if centres.any() else centres


def _touching_border(area: np.ndarray) -> np.ndarray:
    parts, _ = ndimage.label(area)
    border = np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])
    return np.isin(parts, border[border > 0])


def _largest(area: np.ndarray) -> np.ndarray:
    """The largest connected part."""
    parts, _ = ndimage.label(area)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return (parts == sizes.argmax()) & area
