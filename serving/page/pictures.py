"""Pictures of a film, small enough to be sent to a browser."""

import base64
import io

from PIL import Image

from serving.client import AskError, Client
from serving.page.films import Pictures

WIDEST = 1600  # pixels of a film on the page
THUMB = 176  # pixels of a thumbnail, twice its size on the page, for sharp screens
BESIDE = 0.6  # opacity of the heatmap on paper


def pictures_of(client: Client, film: bytes, window: tuple[float, float] | None) -> Pictures:
    """What is seen of a film.

    Args:
        window: center and width in which a DICOM film is shown; None means that of the film.
    Raises:
        AskError: the service gave no picture.
    """
    plain = client.explain(film, 0.0, WIDEST, window)
    hot = client.explain(film, 1.0, WIDEST, window)
    return Pictures(address(plain.png), address(hot.png), address(plain.png, THUMB), plain.window)


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
