"""What is kept of a network's architecture beside it: a table of its layers, and two pictures."""

import json
from pathlib import Path
from typing import Any

from pipelines.page import png

TABLE, FILTERS, MAPS = "architecture.json", "filters.png", "maps.png"


def read_architecture(folder: Path) -> dict[str, Any] | None:
    """What `architecture.json` holds, with the pictures `filters` and `maps` as addresses; None where there is none."""
    if not (folder / TABLE).is_file():
        return None
    told = json.loads((folder / TABLE).read_text(encoding="utf-8"))
    return {**told, "filters": png((folder / FILTERS).read_bytes()), "maps": png((folder / MAPS).read_bytes())}
