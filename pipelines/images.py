"""One road for pixels: the function that prepares a training image prepares the served one.

Decoding is Pillow's, for DICOM pydicom's. Every picture becomes 8-bit grey or RGB, then the size of the recipe.
"""

import io
import warnings
from pathlib import Path
from typing import NoReturn

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from pipelines import dicom
from pipelines.errors import ImageError
from pipelines.recipe import ImageParams

MOST_PIXELS = dicom.MOST_PIXELS
SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N", "I")
EIGHT_BIT = ("L", "RGB", "CMYK", "YCbCr", "HSV")
SCALABLE = ("JPEG", "MPO")  # formats that can be decoded at a smaller scale
ORIENTATION, SIDEWAYS = 0x0112, (5, 6, 7, 8)  # EXIF: the tag, and the values that swap width and height
TRANSPARENT = ("P", "PA", "LA", "La", "RGBA", "RGBa", "RGBX")


def enough(image: ImageParams) -> int:
    """Pixels that a picture's shorter side must keep, so that resizing it does not show that it was decoded smaller."""
    return 2 * max(image.height, image.width)


def read(
    source: Path | bytes,
    name: str | None = None,
    at_least: int | None = None,
    most_pixels: int = MOST_PIXELS,
    window: tuple[float, float] | None = None,
    formats: tuple[str, ...] | None = None,
) -> Image.Image:
    """Decode a picture completely, upright as its EXIF orientation says.

    Args:
        source: a file, or the bytes of one.
        name: what to call it in an error; by default the file's name.
        at_least: pixels that the shorter side must keep where decoding smaller saves time; None keeps every pixel.
        most_pixels: of a picture; a larger one is refused before it is decoded.
        window: centre and width, to see a DICOM film through another window than its own.
        formats: of pictures that are taken, as Pillow names them; None takes all that it knows.
    Returns:
        The picture in the mode in which it is stored. Its `info` has `stored`, the upright width and height of the
        file, and `bits`, stored per channel; that of a DICOM film also `window`.
    Raises:
        ImageError: it is empty, no picture, truncated, too large, has several frames, or is a DICOM file of a kind that
            is refused.
    """
    label = name or (source.name if isinstance(source, Path) else "The upload")
    content = source.read_bytes() if isinstance(source, Path) else source
    if not content:
        raise ImageError(f"{label} is empty. Expected a JPEG, PNG or DICOM file.")
    if dicom.is_dicom(content):
        film = dicom.decode(content, label, most_pixels, window)
        film.info["stored"] = film.size
        return film
    return _read_picture(content, label, at_least, most_pixels, formats)


def _read_picture(
    content: bytes, label: str, at_least: int | None, most_pixels: int, formats: tuple[str, ...] | None
) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=formats) as picture:
                _check(picture, label, most_pixels)
                stored = picture.size[::-1] if picture.getexif().get(ORIENTATION, 1) in SIDEWAYS else picture.size
                if at_least:
                    picture.draft(None, (at_least, at_least))
                picture.load()
                ImageOps.exif_transpose(picture, in_place=True)
    except ImageError:
        raise
    except Exception as error:  # of any kind: Pillow's plugins have no family of errors
        _explain(error, label, most_pixels)
    picture.info.update(stored=stored, bits=_bits(picture))
    return picture


def prepare(picture: Image.Image, image: ImageParams) -> np.ndarray:
    """Bring a decoded picture to the form that the model sees.

    Args:
        picture: in a mode that `read` gives; 16-bit grey is scaled linearly so that 65535 becomes 255, transparency
            lies on black.
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
    if picture.mode in TRANSPARENT:
        opaque = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", opaque.size, (0, 0, 0, 255)), opaque).convert("RGB")
    return picture


def _bits(picture: Image.Image) -> int:
    return {"1": 1, "I": 32, "F": 32}.get(picture.mode, 16 if picture.mode in SIXTEEN_BIT else 8)


def _check(picture: Image.Image, label: str, most_pixels: int) -> None:
    if picture.width * picture.height > most_pixels:
        raise ImageError(
            f"{label} has {picture.width} x {picture.height} pixels. Expected at most {most_pixels:,} in all.",
            "unsupported",
        )
    frames = getattr(picture, "n_frames", 1)
    if frames > 1 and picture.format != "MPO":  # MPO: a camera's JPEG with previews behind the picture
        raise ImageError(f"{label} has {frames} frames. Expected a single picture.", "unsupported")
    if picture.mode not in (*SIXTEEN_BIT, *EIGHT_BIT, *TRANSPARENT, "1", "F"):
        raise ImageError(f"{label} is stored as {picture.mode}. Expected grey, RGB, palette or CMYK.", "unsupported")


def _explain(error: Exception, label: str, most_pixels: int) -> NoReturn:
    if isinstance(error, UnidentifiedImageError):
        raise ImageError(f"{label} is no picture that can be read. Expected a JPEG, PNG or DICOM file.") from None
    if isinstance(error, Image.DecompressionBombError):
        raise ImageError(f"{label} has too many pixels. Expected at most {most_pixels:,}.", "unsupported") from None
    raise ImageError(f"{label} is damaged or truncated ({error}). Expected a whole picture.", "truncated") from None
