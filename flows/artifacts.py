"""What a run leaves in the Prefect UI: figures, gates and pictures."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from prefect.artifacts import create_image_artifact, create_markdown_artifact, create_table_artifact

from pipelines.evaluation.figures_text import interval, notes, share
from pipelines.page import jpeg

SHOWN = ("auc", "sensitivity", "specificity", "accuracy", "precision", "f1", "brier", "ece")
MOST_PIXELS = (1400, 2000)
PICTURES = {
    "roc": "ROC curve",
    "confusion": "Confusion matrices",
    "gallery": "Films with their heatmaps",
    "shortcuts": "What gives the label away without the film",
}


def publish(recipe: str, evaluation: Path) -> None:
    """Publish the evaluation of a recipe as artifacts named `<recipe>-figures`, `-gates`, `-roc`, ...

    Args:
        evaluation: folder with metrics.json, gates.json and plots.
    """
    metrics = json.loads((evaluation / "metrics.json").read_text(encoding="utf-8"))
    gates = json.loads((evaluation / "gates.json").read_text(encoding="utf-8"))
    create_markdown_artifact(
        figures(metrics, notes(metrics, gates)), key=f"{recipe}-figures", description=f"Figures of {recipe}"
    )
    create_table_artifact(gates["gates"], key=f"{recipe}-gates", description="What had to be proven")
    for name, title in PICTURES.items():
        if (picture := evaluation / f"{name}.png").is_file():
            create_image_artifact(_inline(picture), key=f"{recipe}-{name}", description=title)


def figures(metrics: dict[str, Any], said: Sequence[str] = ()) -> str:
    """A Markdown table of the figures of every split, with their 95 % intervals, and under it what must be known."""
    rows = ["| split | n | " + " | ".join(SHOWN) + " |", "|---" * (len(SHOWN) + 2) + "|"]
    for split, found in metrics.items():
        cells = " | ".join(_cell(found, name) for name in SHOWN)
        rows.append(f"| {split} | {found['n']} | {cells} |")
    return "\n".join([*rows, *(f"\n**{sentence}**" for sentence in said)])


def _cell(found: dict[str, Any], name: str) -> str:
    if found.get(name) is None:
        return "-"
    ends = interval(found, name)
    return share(found[name]) + (f" ({ends})" if ends else "")


def _inline(path: Path) -> str:
    """A picture as a data address, small enough for the server to pass on."""
    with Image.open(path) as picture:
        small = picture.convert("RGB")
    small.thumbnail(MOST_PIXELS)
    return jpeg(small, quality=80)
