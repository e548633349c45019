"""The tables of the model card, in Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.card import Card
from pipelines.evaluation.figures_text import FIGURES, HEAT, percent, share, words

BOUNDS = {"low": ", lower bound", "high": ", upper bound", "point": ", as observed"}

Metrics = Mapping[str, Mapping[str, Any]]


def number(value: Any) -> str:
    """A figure for people: as `share` shows it, thousands apart, or a dash where there is none."""
    if value is None:
        return "-"
    return share(value) if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def with_interval(values: Mapping[str, Any], name: str) -> str:
    """A figure with its 95 % interval in brackets, and with n where it is not of all images."""
    value, low, high, n = (values.get(key) for key in (name, f"{name}_low", f"{name}_high", f"{name}_n"))
    told = [] if low is None or high is None else [f"{number(low)} to {number(high)}"]
    told += [] if n is None or n == values.get("n") else [f"n {number(n)}"]
    return f"{number(value)} ({'; '.join(told)})" if told and value is not None else number(value)


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def data(card: Card, people: Metrics, metrics: Metrics) -> str:
    """Images, patients and labels of every split."""
    labels = card.labels.names
    rows = []
    for split, facts in card.facts.get("data", {}).items():
        rows.append([split, facts["images"], facts["patients"], *(facts["labels"].get(label, 0) for label in labels)])
    for split, found in people.items():
        counts = [sum(row) for row in metrics.get(split, {}).get("confusion", ())] or ["-"] * len(labels)
        rows.append([split, found["images"], found["patients"], *counts])
    return table(["split", "images", "patients", *labels], [[row[0], *map(number, row[1:])] for row in rows])


def characteristics(people: Metrics) -> str:
    """Sex, age and view of the images of each split that was measured; empty where nothing of these is known."""
    if not any(one["sex"] or one["age"] or one["view"] for one in people.values()):
        return ""
    rows = [[split, _named(one["sex"]), _ages(one["age"]), _named(one["view"])] for split, one in people.items()]
    return table(["split", "sex (images)", "age, median (quartiles)", "view (images)"], rows)


def figures(metrics: Metrics) -> str:
    """All figures of every split, with intervals."""
    rows = [["images", *(number(values["n"]) for values in metrics.values())]]
    for name, title in (("n_patients", "patients"), ("n_positive", "of the images positive")):
        if any(values.get(name) is not None for values in metrics.values()):
            rows.append([title, *(number(values.get(name)) for values in metrics.values())])
    named = FIGURES | {"answered_wrongly": "Answered wrongly, of the images neither referred nor refused"}
    for name, title in named.items():
        if any(values.get(name) is not None for values in metrics.values()):
            rows.append([title, *(with_interval(values, name) for values in metrics.values())])
    return table(["", *metrics], rows)


def predictive_values(metrics: Metrics) -> str:
    """Positive and negative predictive values at each prevalence; empty where none was asked for."""
    rows = [
        [split, percent(one["prevalence"]), with_interval(one, "ppv"), with_interval(one, "npv")]
        for split, values in metrics.items()
        for one in values.get("predictive_values", ())
    ]
    header = ["split", "share of positive images", "positive predictive value", "negative predictive value"]
    return table(header, rows) if rows else ""


def subgroups(metrics: Metrics) -> str:
    """Figures of each subgroup; empty where no split has more than one of a kind."""
    found = [(split, group) for split, values in metrics.items() for group in values.get("subgroups", ())]
    names = [name for name in ("sensitivity", "specificity", "accuracy", "auc") if any(name in one for _, one in found)]
    rows = [
        [split, f"{one['by']}: {one['group']}", f"{one['n']}{' (few)' if one.get('small') else ''}"]
        + [with_interval(one, name) for name in names]
        for split, one in found
    ]
    return table(["split", "group", "images", *map(words, names)], rows) if rows else ""


def heat(metrics: Metrics) -> str:
    """What was measured of the heatmaps; empty where nothing was."""
    rows = [
        [title, *(with_interval(values, name) for values in metrics.values())]
        for name, title in HEAT.items()
        if any(values.get(name) is not None for values in metrics.values())
    ]
    return table(["", *metrics], rows) if rows else ""


def compared(comparison: Mapping[str, Any]) -> str:
    """Figures of the model in production and of this one on the same images; empty where none was compared."""
    rows = [
        [
            split,
            words(name),
            number(one["champion"]),
            number(one["challenger"]),
            f"{one['difference']:+.3f} ({one['low']:+.3f} to {one['high']:+.3f})",
            one["verdict"],
        ]
        for split, found in comparison["splits"].items()
        for name, one in found["figures"].items()
    ]
    return table(["split", "figure", "in production", "this model", "difference", "verdict"], rows) if rows else ""


def gates(asked: Sequence[Mapping[str, Any]]) -> str:
    """What had to be proven, and what was found."""
    rows = [
        [
            f"{words(gate['metric'])} on {gate['split']}{BOUNDS[gate['bound']]}",
            f"at least {gate['minimum']:g}" if gate.get("maximum") is None else f"at most {gate['maximum']:g}",
            number(gate["value"]),
            number(gate.get("n")),
            _outcome(gate),
        ]
        for gate in asked
    ]
    return table(["what", "asked", "found", "n", ""], rows)


def _outcome(gate: Mapping[str, Any]) -> str:
    if not gate["passed"]:
        return "failed"
    return "passed" if gate["value"] is not None else "nothing to compare with"


def _named(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number(count)}" for name, count in counts.items()) or "not known"


def _ages(ages: Sequence[float] | None) -> str:
    return "not known" if ages is None else f"{ages[1]:.0f} ({ages[0]:.0f} to {ages[2]:.0f}) years"
