"""Figures in words, for the terminal and for pages."""

from collections.abc import Mapping, Sequence
from typing import Any

FIGURES = {
    "auc": "Area under the ROC curve",
    "average_precision": "Average precision",
    "sensitivity": "Sensitivity (recall)",
    "specificity": "Specificity",
    "precision": "Precision (positive predictive value)",
    "npv": "Negative predictive value",
    "accuracy": "Accuracy",
    "top_2": "Among the two most probable",
    "top_3": "Among the three most probable",
    "f1": "F1",
    "brier": "Brier score (lower is better)",
    "ece": "Calibration error (lower is better)",
}
HEAT = {
    "pointing_game": "Pointing game: hottest point inside the finding",
    "heat_inside": "Share of the heat inside the finding",
    "mask_share": "The same by chance",
    "heat_outside_body": "Share of the heat outside the body",
}
CHANCE = 0.5  # AUC of a guess
ENDS = (0, 1)
SHORT = {
    "auc": "AUC",
    "f1": "F1",
    "ece": "calibration error",
    "npv": "negative predictive value",
    "brier": "Brier score",
}


def as_text(metrics: Mapping[str, Any], gates: Mapping[str, Any]) -> str:
    """The figures of every split and the gates, for a terminal."""
    width = max(30, *(len(split) for split in metrics))
    lines = [f"{'':<18}" + "".join(f"{split:<{width}}" for split in metrics).rstrip()]
    for name in ("n", *FIGURES, *HEAT):
        if any(name in figures for figures in metrics.values()):
            cells = "".join(f"{_cell(figures, name):<{width}}" for figures in metrics.values())
            lines.append(f"{name:<18}{cells}".rstrip())
    lines.append(f"gates: {gates['reason']}")
    lines += [f"  {'pass' if gate['passed'] else 'FAIL'}  {gate['reason']}" for gate in gates["gates"]]
    lines += [f"  note  {sentence}" for sentence in notes(metrics, gates)]
    return "\n".join(lines)


def notes(metrics: Mapping[str, Any], gates: Mapping[str, Any]) -> list[str]:
    """What must be known of a verdict, a sentence each: rules that were loosened, splits on which the model guesses.

    Args:
        metrics: what metrics.json holds.
        gates: what gates.json holds.
    """
    return [*gates.get("loosened", ()), *chance(metrics, gates["gates"])]


def chance(metrics: Mapping[str, Any], gates: Sequence[Mapping[str, Any]]) -> list[str]:
    """On which splits the model is not proven to be better than chance, a sentence each.

    Args:
        metrics: what metrics.json holds.
        gates: those that were asked, as gates.json holds them.
    """
    gated = {gate["split"].split(" ")[0] for gate in gates}
    return [
        f"On {split} the model is not proven to be better than chance: AUC {share(found['auc'])} "
        f"({interval(found, 'auc')})." + ("" if split in gated else " No gate asks anything of these images.")
        for split, found in metrics.items()
        if found.get("auc_low") is not None and found["auc_low"] <= CHANCE
    ]


def share(value: float | None) -> str:
    """A figure with three decimals, with up to six where fewer would make it 0 or 1 that is not; or a dash."""
    if value is None:
        return "–"
    said = [f"{value:.{decimals}f}" for decimals in (3, 4, 5, 6)]
    return next((one for one in said if (float(one) in ENDS) == (value in ENDS)), said[0])


def percent(value: float) -> str:
    """A share as a percentage with up to three digits."""
    return f"{value * 100:.3g} %"


def interval(figures: Mapping[str, Any], name: str) -> str:
    """The interval of a figure, or nothing."""
    low, high = figures.get(f"{name}_low"), figures.get(f"{name}_high")
    return "" if low is None or high is None else f"{share(low)} to {share(high)}"


def of(figures: Mapping[str, Any], name: str) -> str:
    """The number of images that a figure is of, where it is not of all of the split; else nothing."""
    n = figures.get(f"{name}_n")
    return "" if n is None or n == figures.get("n") else f", n {n:,}"


def words(name: str) -> str:
    """A metric's name in words."""
    return SHORT.get(name, name.replace("_", " "))


def _cell(figures: Mapping[str, Any], name: str) -> str:
    if name == "n":
        return str(figures["n"])
    span = interval(figures, name)
    return share(figures.get(name)) + (f" ({span})" if span else "")
