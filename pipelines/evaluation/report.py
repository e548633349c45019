"""The report: one HTML file with the verdict, the figures and the pictures, that needs nothing else to be read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from pipelines.card import Card
from pipelines.evaluation.comparison import remarks
from pipelines.evaluation.comparison import words as outcome
from pipelines.evaluation.figures_text import FIGURES, HEAT, chance, interval, of, percent, share, words
from pipelines.evaluation.gallery import Tile
from pipelines.evaluation.record import Record
from pipelines.evaluation.sentences import explained, promise, shortcut_findings, shortcut_gaps
from pipelines.notice import NOTICE
from pipelines.page import Filters, jpeg, png, rendered

TEMPLATE = "evaluation/report.html.j2"
PARTS = ("verdict", "figures", "comparison", "operating_point", "subgroups", "explanation")
READS = (
    "pipelines/architecture/table.html.j2",
    f"pipelines/{TEMPLATE}",
    "pipelines/evaluation/page/style.css",
    *(f"pipelines/evaluation/page/{part}.html.j2" for part in PARTS),
)
PLOTS = {
    "roc": ("ROC curve", "Ranking: how many of the positive images are found at each share of false alarms."),
    "precision_recall": (
        "Precision and recall",
        "Depends on the share of positive images: compare within a split only.",
    ),
    "calibration": ("Calibration", "Points on the diagonal: the probabilities can be taken at their word. Bars: 95 %."),
    "confusion": ("Confusion", "All images at the threshold, referred and refused ones included."),
}
SHORTCUTS = "shortcuts"

Groups = Mapping[str, Mapping[str, Sequence[Tile]]]


@dataclass(frozen=True)
class Shown:
    """What the report shows beside the record.

    Args:
        pictures: PNG files by the name of the plot, the shortcuts among them.
        tiles: of the gallery, by split and by title of their group.
        shortcuts: what shortcuts.json holds.
        architecture: what architecture.json holds, and its pictures `filters` and `maps`; None where it is not known.
        failures: name of the page of failures beside the report; None where there is none.
        evaluation: folder of the record, as a command line names it.
        command: the command line that measures everything again.
    """

    pictures: Mapping[str, bytes]
    tiles: Groups
    shortcuts: Mapping[str, Any]
    architecture: Mapping[str, Any] | None
    failures: str | None
    evaluation: str
    command: str


def render(card: Card, record: Record, shown: Shown) -> str:
    """The report as HTML."""
    facts = {
        "card": card,
        "metrics": record.metrics,
        "gates": record.gates,
        "limits": record.gates["gates"],
        "chance": chance(record.metrics, record.gates["gates"]),
        "gated": {gate["split"].split(" ")[0] for gate in record.gates["gates"]},
        "comparison": record.comparison,
        "compared": outcome(record.comparison),
        "remarks": remarks(record.comparison),
        "figures": FIGURES,
        "heat": _heat(record.metrics),
        "promise": promise(card),
        "explained": explained(card, record.metrics),
        "plots": [(name, *PLOTS[name], png(data)) for name, data in shown.pictures.items() if name in PLOTS],
        "tiles": shown.tiles,
        "failures": shown.failures,
        "shortcuts": png(shown.pictures[SHORTCUTS]),
        "found_shortcuts": shortcut_findings(shown.shortcuts),
        "unmeasured_shortcuts": shortcut_gaps(shown.shortcuts),
        "architecture": shown.architecture,
        "facts": list(flat(card.facts)),
        "evaluation": shown.evaluation,
        "command": shown.command,
        "notice": NOTICE,
    }
    filters: Filters = {
        "share": share,
        "percent": percent,
        "interval": interval,
        "of": of,
        "words": words,
        "picture": picture,
    }
    return rendered(TEMPLATE, facts, filters)


def flat(facts: Mapping[str, Any], lead: str = "") -> Iterator[tuple[str, str]]:
    """Facts that may be nested as pairs of a name in words and a value."""
    for key, value in facts.items():
        name = f"{lead} › {key}" if lead else str(key)
        if isinstance(value, Mapping):
            yield from flat(value, name)
        else:
            yield name.replace("_", " "), _shown(value)


def picture(tile: Tile) -> str:
    """A tile as an address that holds the picture itself."""
    return jpeg(Image.fromarray(tile.picture), quality=88)


def _heat(metrics: Mapping[str, Any]) -> dict[str, str]:
    return {name: title for name, title in HEAT.items() if any(name in found for found in metrics.values())}


def _shown(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "–", True: "yes", False: "no"}[value]
    if not isinstance(value, (int, float)):
        return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
