"""How the record is written: JSON that any reader takes, the same values always in the same bytes."""

import json
from collections.abc import Mapping
from typing import Any


def as_json(values: Mapping[str, Any]) -> str:
    """JSON with one value a line; a figure that is no number is a fault here, not there."""
    return json.dumps(values, indent=2, allow_nan=False) + "\n"
