import base64
import io

import numpy as np
import pytest
from jinja2 import UndefinedError
from PIL import Image

from pipelines.page import jpeg, png, rendered


def data_of(address, kind):
    lead = f"data:image/{kind};base64,"
    assert address.startswith(lead)
    return base64.b64decode(address.removeprefix(lead))


def test_an_address_holds_the_picture_itself():
    assert data_of(png(b"\x89PNG..."), "png") == b"\x89PNG..."
    grey = Image.fromarray(np.full((20, 30), 90, np.uint8))
    with Image.open(io.BytesIO(data_of(jpeg(grey, quality=90), "jpeg"))) as read:
        assert read.size == (30, 20)
        assert abs(np.asarray(read).astype(int) - 90).max() <= 2


def test_a_fact_that_a_template_misses_is_an_error():
    with pytest.raises(UndefinedError):
        rendered("architecture/compared.html.j2", {})


def test_text_is_escaped():
    rows = [{"kind": "other", "parameters": 1, "agrees": True, "name": "<b>", "filter": "", "stride": None}]
    rows[0] |= {"padding": "", "size": [1], "size_by_formula": None, "parameters_by_formula": None}
    rows[0] |= {"receptive_field": 1, "multiply_adds": 0, "listed": True}
    page = rendered("architecture/table.html.j2", {"architecture": {"layers": rows}})
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
