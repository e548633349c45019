"""Pictures of a film, small enough to be sent to a browser."""

import base64
import io
from concurrent.futures import ThreadPoolExecutor

from PIL import Image, ImageStat

from serving.client import AskError, Client
from serving.page.films import Pictures

WIDEST = 1600  # pixels of a film on the page
SMALLEST = 64  # pixels of a picture that is measured and not seen
THUMB = 176  # pixels of a thumbnail, twice its size on the page, for sharp screens
DICOM, DICOM_AT = b"DICM", slice(128, 132)  # what a DICOM file has after its preamble
ABOVE_ALL = (1e9, 1.0)  # a window above every level of any film
BESIDE = 0.6  # opacity of the heatmap on paper


def pictures_of(
    client: Client, film: bytes, window: tuple[float, float] | None, rising: bool | None = None
) -> Pictures:
    """What is seen of a film.

    Args:
        window: center and width in which a DICOM film is shown; None means that of the film.
        rising: whether its higher levels are shown brighter, where that is known already.
    Raises:
        AskError: the service gave no picture.
    """
    with ThreadPoolExecutor(3) as pool:
        plain, hot = (pool.submit(client.explain, film, opacity, WIDEST, window) for opacity in (0.0, 1.0))
        if rising is None and film[DICOM_AT] == DICOM:
            rising = _is_dark(pool.submit(client.explain, film, 0.0, SMALLEST, ABOVE_ALL).result().png)
        png, seen = plain.result().png, plain.result().window
        return Pictures(address(png), address(hot.result().png), address(png, THUMB), seen, rising)


def _is_dark(png: bytes) -> bool:
    """Whether a picture is mostly black, as a film all of whose levels lie below the window, unless it is inverted."""
    with _read(address(png, SMALLEST)) as picture:
        return ImageStat.Stat(picture).mean[0] < 128


def address(png: bytes, widest: int = WIDEST) -> str:
    """A picture as an address that holds it as JPEG.

    Args:
        widest: pixels of its longer side, at most.
    Raises:
        AskError: the bytes are no picture.
    """
    try:
        with Image.open(io.BytesIO(png)) as picture:
            small = picture.convert("RGB")
    except OSError:
        raise AskError("The service answered with something that is no picture.", "strange") from None
    small.thumbnail((widest, widest))
    return _written(small)


def blended(film: str, heat: str, opacity: float = BESIDE) -> str:
    """A film with its heatmap, as the browser blends them.

    Args:
        film, heat: addresses of two pictures of the same size.
        opacity: of the second, in [0, 1].
    """
    return _written(Image.blend(_read(film), _read(heat), opacity))


def _read(held: str) -> Image.Image:
    with Image.open(io.BytesIO(base64.b64decode(held.partition(",")[2]))) as picture:
        return picture.convert("RGB")


def _written(picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")
