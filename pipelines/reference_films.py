"""The films that travel inside a bento: answered at its release and at every start, and shown on the page to try."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from pipelines.prepared import read_split
from pipelines.recipe import ServeParams

PHANTOMS = Path(__file__).resolve().parent.parent / "serving/phantoms"
CANDIDATES = 12  # of each label, from which those are taken that the model calls rightly


def reference_films(prepared: Path, labels: Sequence[str], serve: ServeParams, folder: Path) -> list[dict[str, str]]:
    """Write films that may become reference films, as PNG, into a folder.

    Returns:
        `path`, `name` and `label` of each, label by label.
    Raises:
        DataError: validation was not prepared.
    """
    if serve.reference == "phantom":
        return [
            {"path": str(file), "name": f"phantom-{file.name}", "label": file.stem.upper()}
            for file in sorted(PHANTOMS.glob("*.png"))
        ]
    pixels, rows = read_split(prepared, "val")
    return [
        _written(folder, pixels[place], str(label), number)
        for label in labels
        for number, place in enumerate(np.flatnonzero((rows["label"] == label).to_numpy())[:CANDIDATES], start=1)
    ]


def _written(folder: Path, pixels: np.ndarray, label: str, number: int) -> dict[str, str]:
    name = f"film-{''.join(c if c.isalnum() else '-' for c in label.lower())}-{number}.png"
    Image.fromarray(np.array(pixels).squeeze(-1) if pixels.shape[-1] == 1 else np.array(pixels)).save(folder / name)
    return {"path": str(folder / name), "name": name, "label": label}
