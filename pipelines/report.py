"""The report: one HTML file with the verdict, the figures and the pictures, that needs nothing else to be read."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from PIL import Image

from pipelines.card import Card
from pipelines.gallery import Tile
from pipelines.notice import NOTICE
from pipelines.page import jpeg, png, rendered

TEMPLATE = "report.html.j2"
FIGURES = {
    "auc": "Area under the ROC curve",
    "sensitivity": "Sensitivity (recall)",
    "specificity": "Specificity",
    "precision": "Precision",
    "accuracy": "Accuracy",
    "f1": "F1",
    "brier": "Brier score (lower is better)",
    "ece": "Calibration error (lower is better)",
}
PLOTS = {
    "roc": ("ROC curve", "Ranking: how many of the positive films are found at each share of false alarms."),
    "precision_recall": (
        "Precision and recall",
        "Depends on the share of positive films: compare within a split only.",
    ),
    "calibration": ("Calibration", "Points on the diagonal: the probabilities can be taken at their word. Bars: 95 %."),
    "confusion": ("Confusion", "All images at the threshold, referred and refused ones included."),
}
SHORTCUTS = "shortcuts"

Groups = Mapping[str, Mapping[str, Sequence[Tile]]]


def render(
    card: Card,
    metrics: Mapping[str, Any],
    gates: Mapping[str, Any],
    pictures: Mapping[str, bytes],
    tiles: Groups,
    shortcuts: Mapping[str, Any],
    architecture: Mapping[str, Any] | None,
    command: str,
) -> str:
    """The report as HTML.

    Args:
        metrics: what metrics.json holds.
        gates: what gates.json holds.
        pictures: PNG files by the name of the plot, the shortcuts among them.
        tiles: of the gallery, by split and by title of their group.
        shortcuts: what shortcuts.json holds.
        architecture: what architecture.json holds, and its pictures `filters` and `maps`; None where it is not known.
        command: the command line that computes everything again.
    """
    facts = {
        "card": card,
        "metrics": metrics,
        "gates": gates,
        "figures": FIGURES,
        "plots": [(name, *PLOTS[name], png(data)) for name, data in pictures.items() if name in PLOTS],
        "tiles": tiles,
        "shortcuts": png(pictures[SHORTCUTS]),
        "found_shortcuts": shortcut_findings(shortcuts),
        "unmeasured_shortcuts": shortcut_gaps(shortcuts),
        "architecture": architecture,
        "facts": list(flat(card.facts)),
        "command": command,
        "notice": NOTICE,
    }
    return rendered(TEMPLATE, facts, {"share": share, "interval": interval, "picture": picture})


def as_text(metrics: Mapping[str, Any], gates: Mapping[str, Any]) -> str:
    """The figures of every split and the gates, for a terminal."""
    width = max(30, *(len(split) for split in metrics))
    lines = [f"{'':<14}" + "".join(f"{split:<{width}}" for split in metrics).rstrip()]
    for name in ("n", *FIGURES):
        cells = "".join(f"{_cell(figures, name):<{width}}" for figures in metrics.values())
        lines.append(f"{name:<14}{cells}".rstrip())
    lines.append(f"gates: {gates['reason']}")
    lines += [f"  {'pass' if gate['passed'] else 'FAIL'}  {gate['reason']}" for gate in gates["gates"]]
    return "\n".join(lines)


def shortcut_findings(shortcuts: Mapping[str, Any]) -> str:
    """What the shortcut audit found, in plain sentences.

    Args:
        shortcuts: what shortcuts.json holds.
    """
    left = [entry for entry in shortcuts["properties"] if not entry["removed"] and entry["auc"] is not None]
    if not left:
        return "Nothing could be measured."
    best, limit = max(left, key=lambda entry: entry["auc"]), shortcuts["limit"]
    if best["note"]:
        return "Of what preparation leaves, nothing differs between the images: none of it can give the label away."
    words = f"Of what preparation leaves for the model to see, {best['name']} guesses best (AUC {share(best['auc'])})."
    if limit is None or shortcuts["severity"] == "off":
        return words
    above = [entry["name"] for entry in left if entry["auc"] > limit]
    if (together := shortcuts["together"]["left"]["auc"]) > limit:
        above.append(f"all that is left, together ({share(together)})")
    if not above:
        return f"{words} Nothing that is left exceeds the limit of {limit:g}."
    return (
        f"{words} Above the limit of {limit:g}: {', '.join(above)}. A model may have learnt this in place of the "
        "disease, and figures on films of the same origin would not show it: look at those of another hospital, and at "
        "the heatmaps."
    )


def shortcut_gaps(shortcuts: Mapping[str, Any]) -> str:
    """Which properties cannot tell or could not be measured, in one line; empty where there is nothing to say."""
    by_note = {
        said: [entry["name"] for entry in shortcuts["properties"] if entry["note"] == note]
        for note, said in (("constant", "The same in every image"), ("absent", "Known of no image"))
    }
    lines = [f"{said}: {', '.join(names)}." for said, names in by_note.items() if names]
    return " ".join([*lines, shortcuts["note"] or ""]).strip()


def share(value: float | None) -> str:
    """A figure with three digits, or a dash."""
    return "–" if value is None else f"{value:.3f}"


def interval(figures: Mapping[str, Any], name: str) -> str:
    """The interval of a figure, or nothing."""
    low, high = figures.get(f"{name}_low"), figures.get(f"{name}_high")
    return "" if low is None or high is None else f"{low:.3f} to {high:.3f}"


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


def _cell(figures: Mapping[str, Any], name: str) -> str:
    if name == "n":
        return str(figures["n"])
    span = interval(figures, name)
    return share(figures[name]) + (f" ({span})" if span else "")


def _shown(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
