"""HTML pages that need nothing else to be read: templates that stand beside the code, pictures inside the page."""

import base64
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

Filters = Mapping[str, Callable[..., str]]


def rendered(template: str, facts: Mapping[str, Any], filters: Filters | None = None) -> str:
    """A template of this folder with its facts in place; one that is missing is an error, and all text is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= dict(filters or {})
    return environment.get_template(template).render(**facts)


def png(data: bytes) -> str:
    """A PNG file as an address that holds the picture itself."""
    return "data:image/png;base64," + base64.b64encode(data).decode("ascii")


def jpeg(picture: Image.Image, quality: int) -> str:
    """A picture as an address that holds it as JPEG; quality is from 1 to 95."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")
