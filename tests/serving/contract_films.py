"""What schemathesis puts where the document asks for a file: films (`test_contract.py` hands it this module)."""

import io

import numpy as np
import schemathesis
from hypothesis import strategies
from PIL import Image
from schemathesis.transport.serialization import Binary


def film(kind, grey):
    file = io.BytesIO()
    Image.fromarray(np.full((40, 50), grey, dtype=np.uint8)).save(file, kind)
    return file.getvalue()


FILMS = [film(kind, grey) for kind in ("PNG", "JPEG") for grey in (0, 60, 128, 200)]
schemathesis.openapi.format("binary", strategies.sampled_from(FILMS).map(Binary))
