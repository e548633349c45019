"""One road for pixels: the function that prepares a training image prepares the served one.

Decoding is Pillow's. Every picture becomes 8-bit grey or RGB, then the size of the recipe.
"""

import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from pipelines.errors import ImageError
from pipelines.recipe import ImageParams

MOST_PIXELS = 100_000_000
SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N", "I")


def read(source: Path | bytes, name: str | None = None) -> Image.Image:
    """Decode a picture completely, upright as its EXIF orientation says.

    Args:
        source: a file, or the bytes of one.
        name: what to call it in an error; by default the file's name.
    Returns:
        The first frame, in the mode in which it is stored.
    Raises:
        ImageError: it is empty, no picture, truncated, or larger than 100 million pixels.
    """
    label = name or (source.name if isinstance(source, Path) else "The upload")
    if source == b"":
        raise ImageError(f"{label} is empty. Expected a JPEG or PNG file.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(source if isinstance(source, Path) else io.BytesIO(source)) as picture:
                _check_size(picture, label)
                picture.load()
                return ImageOps.exif_transpose(picture)
    except UnidentifiedImageError:
        raise ImageError(f"{label} is no picture that can be read. Expected a JPEG or PNG file.") from None
    except Image.DecompressionBombError:
        raise ImageError(f"{label} has too many pixels. Expected at most {MOST_PIXELS:,}.") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise ImageError(f"{label} is damaged or truncated ({error}). Expected a whole picture.") from None


def prepare(picture: Image.Image, image: ImageParams) -> np.ndarray:
    """Bring a decoded picture to the form that the model sees.

    Args:
        picture: any mode; 16-bit grey is scaled linearly so that 65535 becomes 255, transparency lies on black.
        image: the size, the channels, whether grey levels are equalized, and how another aspect is met: padded with
            black, stretched, or cropped.
    Returns:
        (height, width, channels) uint8.
    """
    flat = to_eight_bit(picture).convert("L" if image.channels == 1 else "RGB")
    if image.levels == "equalized":
        flat = ImageOps.equalize(flat)
    size = (image.width, image.height)
    fitted = {
        "stretch": lambda: flat.resize(size, Image.Resampling.BILINEAR),
        "pad": lambda: ImageOps.pad(flat, size, Image.Resampling.BILINEAR),
        "crop": lambda: ImageOps.fit(flat, size, Image.Resampling.BILINEAR),
    }[image.fit]()
    return np.asarray(fitted, dtype=np.uint8).reshape(image.height, image.width, image.channels)


def to_eight_bit(picture: Image.Image) -> Image.Image:
    """The same picture with 8 bits a channel and no transparency, in mode L, RGB or CMYK."""
    if picture.mode in SIXTEEN_BIT:
        levels = np.clip(np.asarray(picture, dtype=np.float32) / 257, 0, 255)
        return Image.fromarray(np.round(levels).astype(np.uint8))
    if picture.mode == "F":
        return Image.fromarray(np.clip(np.asarray(picture), 0, 255).astype(np.uint8))
    if picture.mode == "1":
        return picture.convert("L")
    if picture.mode in ("P", "PA", "LA", "La", "RGBA", "RGBa"):
        opaque = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", opaque.size, (0, 0, 0, 255)), opaque).convert("RGB")
    return picture


def bits(picture: Image.Image) -> int:
    """Bits stored per channel."""
    return {"1": 1, "I": 32, "F": 32}.get(picture.mode, 16 if picture.mode in SIXTEEN_BIT else 8)


def _check_size(picture: Image.Image, label: str) -> None:
    if picture.width * picture.height > MOST_PIXELS:
        raise ImageError(
            f"{label} has {picture.width} x {picture.height} pixels. Expected at most {MOST_PIXELS:,} in all."
        )
