"""The model card that people read: what a model is for, what it reached, and where it must not be trusted."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipelines.card import Card
from pipelines.notice import NOTICE

FITS = {"pad": "padded with black", "stretch": "stretched", "crop": "cropped around its middle"}
FIGURES = {
    "auc": "AUC",
    "accuracy": "accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "precision": "precision",
    "f1": "F1",
    "brier": "Brier score",
    "ece": "calibration error",
}

Metrics = Mapping[str, Mapping[str, Any]]


def model_card(card: Card, metrics: Metrics, gates: Sequence[Mapping[str, Any]]) -> str:
    """The model card as Markdown.

    Args:
        metrics: what metrics.json holds, by split; a split without images may be absent or empty.
        gates: the gates of gates.json.
    """
    measured = {split: values for split, values in metrics.items() if values and "n" in values}
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("model_card.md.j2").render(
        card=card,
        notice=NOTICE,
        purpose=_purpose(card),
        form=_form(card),
        number=number,
        percent="{:.1%}".format,
        data=_data(card),
        figures=_figures(measured),
        gates=_gates(gates),
        limits=_limits(card, measured),
        training=card.facts.get("training", {}),
    )


def number(value: Any) -> str:
    """A figure for people: three decimals, or a dash where there is none."""
    return "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def with_interval(values: Mapping[str, Any], name: str) -> str:
    """A figure with its 95 % interval in brackets, where it has one."""
    low, high = values.get(f"{name}_low"), values.get(f"{name}_high")
    interval = "" if low is None or high is None else f" ({number(low)} to {number(high)})"
    return number(values.get(name)) + interval


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _data(card: Card) -> str:
    splits: dict[str, Any] = card.facts.get("data", {})
    rows = [
        [split, facts["images"], facts["patients"], *(facts["labels"].get(label, 0) for label in card.labels.names)]
        for split, facts in splits.items()
    ]
    return table(["split", "images", "patients", *card.labels.names], rows)


def _figures(measured: Metrics) -> str:
    rows = [["images", *(values["n"] for values in measured.values())]]
    if any(values.get("n_positive") is not None for values in measured.values()):
        rows.append(["of them positive", *(number(values.get("n_positive")) for values in measured.values())])
    for name, title in FIGURES.items():
        if any(values.get(name) is not None for values in measured.values()):
            rows.append([title, *(with_interval(values, name) for values in measured.values())])
    return table(["", *measured], rows)


def _gates(gates: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        [
            f"{gate['metric']} on {gate['split']}{', lower bound' if gate['bound'] == 'low' else ''}",
            gate["minimum"],
            number(gate["value"]),
            "passed" if gate["passed"] else "failed",
        ]
        for gate in gates
    ]
    return table(["what", "minimum", "found", ""], rows)


def _form(card: Card) -> str:
    colour = "grey" if card.image.channels == 1 else "RGB"
    levels = ", histogram equalized" if card.image.levels == "equalized" else ""
    return f"{colour}, {FITS[card.image.fit]}{levels}"


def _purpose(card: Card) -> str:
    if card.labels.positive is None:
        return f"It tells {', '.join(card.labels.names)} apart."
    other = card.labels.names[1 - card.labels.positive_index]
    return f"It tells {card.labels.positive} (positive) from {other} (negative)."


def _limits(card: Card, measured: Metrics) -> list[str]:
    limits = [
        "It knows the classes above alone; whatever else a film shows goes unmentioned.",
        "A heatmap shows where the model looked. It does not show where a lesion ends, nor that there is one.",
    ]
    if "external" in measured:
        limits.append("Films of hospitals and devices other than those measured here may be answered worse.")
    else:
        limits.append("It was never measured on films of another hospital: expect it to be worse there.")
    if card.threshold is not None:
        limits.append("Where positive films are rarer or more frequent than in its data, its probabilities are off.")
    return limits
