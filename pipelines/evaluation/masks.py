"""Masks: where people drew the finding of a film, brought to the same form as the film that the model sees.

A mask lies in a folder beside the class folders, under the film's name as PNG: that of
`riverside/PNEUMONIA/P00031-1.png` is `riverside/masks/P00031-1.png`. It is white on black and shows the whole film, at
any resolution.
"""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from pipelines.errors import DataError
from pipelines.images import enough, prepare, read, to_eight_bit
from pipelines.recipe import ImageParams

WHITE = 128  # grey levels from here on are finding
ASPECT = 0.01  # relative difference of width by height that rounding to whole pixels explains


def mask_path(film: str, masks: str) -> str:
    """Where the mask of a film lies, inside the raw data set like the film's own path, with forward slashes."""
    path = PurePosixPath(film)
    return str(path.parent.parent / masks / f"{path.stem}.png")


def read_masks(raw: Path, films: Sequence[str], masks: str, image: ImageParams) -> list[np.ndarray | None]:
    """The masks of the films of a split, in their order.

    Args:
        raw: the raw data set.
        films: their paths inside it.
        masks: name of the folder beside the class folders.
        image: as the films were prepared.
    Returns:
        For each film (height, width) bool, see `read_mask`, or None without a mask.
    Raises:
        DataError: a mask does not fit its film.
    """
    return [read_mask(raw, film, mask_path(film, masks), image) for film in films]


def check_some(raw: Path, films: Sequence[str], masks: str) -> None:
    """Refuse a folder of masks that none of the films has one in.

    Raises:
        DataError: not one of the films has a mask.
    """
    if films and not any((raw / mask_path(film, masks)).is_file() for film in films):
        raise DataError(
            f"Not one of {len(films)} films has a mask: there is no {raw / mask_path(films[0], masks)}, for example. "
            "Put white-on-black PNGs there, or set measure.masks: null."
        )


def read_mask(raw: Path, film: str, mask: str, image: ImageParams) -> np.ndarray | None:
    """A mask as the model would see it: padded, stretched or cropped like its film.

    Returns:
        (height, width) bool, at least one pixel true; None if there is no file, it is black all over (a film without a
        finding), or the finding was cropped off.
    Raises:
        DataError: it is no picture, has another aspect than its film, or no white.
    """
    if not (raw / mask).is_file():
        return None
    drawn = read(raw / mask, f"The mask {mask}")
    _check_aspect(drawn, mask, read(raw / film, film, enough(image)), film)
    levels = prepare(_white_on_black(drawn, mask), image.model_copy(update={"channels": 1, "levels": "stored"}))[..., 0]
    # A finding that is smaller than a pixel reaches WHITE nowhere: where it is brightest stands for it.
    return levels >= min(WHITE, levels.max()) if levels.any() else None


def _white_on_black(drawn: Image.Image, mask: str) -> Image.Image:
    grey = np.asarray(to_eight_bit(drawn).convert("L"))
    if 0 < grey.max() < WHITE:
        raise DataError(
            f"The mask {mask} is no brighter than {grey.max()} of 255. Expected white (255) on black (0): scale it."
        )
    return Image.fromarray(np.where(grey >= WHITE, np.uint8(255), np.uint8(0)))


def _check_aspect(drawn: Image.Image, mask: str, shot: Image.Image, film: str) -> None:
    (width, height), (film_width, film_height) = drawn.info["stored"], shot.info["stored"]
    if abs(width * film_height / (height * film_width) - 1) > ASPECT:
        raise DataError(
            f"The mask {mask} is {width} x {height}, its film {film} {film_width} x {film_height} pixels. "
            "Expected the same aspect: draw the mask on the whole film, or remove it."
        )
