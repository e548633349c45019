"""Gates: what a model must prove before it may be released, and whether it did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipelines.intervals import Z
from pipelines.recipe import GateParams

DIFFERENCE = "_difference"
COUNTED = ("accuracy", "sensitivity", "specificity", "precision", "recall", "npv", "top_2", "top_3", "pointing_game")


@dataclass(frozen=True)
class Finding:
    """What is held against a gate: the figure, its interval and the images that it is of; or why there is none."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    why: str = ""
    nothing_asked: bool = False


def check(
    metrics: Mapping[str, Mapping[str, Any]],
    gates: Sequence[GateParams],
    model: Mapping[str, float | None] | None = None,
    comparison: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Hold the figures against every gate.

    Args:
        metrics: what metrics.json holds.
        model: figures of the file itself, by metric.
        comparison: what comparison.json holds.
    Returns:
        What gates.json holds: `passed`, the same in a sentence as `reason`, and `gates` with one entry each: the gate,
        the `value` held against it, `margin` (how far it is from the limit; negative: missed), `n`, and `needed` (how
        many images would prove it at the observed figure, where more images could).
        No gate at all proves nothing, and does not pass.
    """
    results = [_result(gate, _finding(gate, metrics, model or {}, comparison or {"splits": {}})) for gate in gates]
    failed = sum(not result["passed"] for result in results)
    return {"passed": bool(results) and not failed, "reason": _verdict(len(results), failed), "gates": results}


def _finding(
    gate: GateParams, metrics: Mapping[str, Any], model: Mapping[str, float | None], comparison: Mapping[str, Any]
) -> Finding:
    if gate.split == "model":
        value = model.get(gate.metric)
        return Finding(value, why="" if value is not None else "it was not measured, so this gate cannot pass")
    split, _, group = gate.split.partition(" ")
    if (figures := metrics.get(split)) is None:
        return Finding(why=f"there are no {split} images, so this gate cannot pass")
    if gate.metric.endswith(DIFFERENCE):
        return _of_comparison(gate, split, comparison)
    if group:
        by, _, name = group.partition("=")
        chosen = [one for one in figures["subgroups"] if (one["by"], one["group"]) == (by, name)]
        if not chosen:
            known = ", ".join(f"{one['by']}={one['group']}" for one in figures["subgroups"]) or "none"
            return Finding(why=f"there is no such subgroup (known: {known}), so this gate cannot pass")
        figures = chosen[0]
    return _of_figures(gate, figures)


def _of_figures(gate: GateParams, figures: Mapping[str, Any]) -> Finding:
    name, n = gate.metric, figures.get(f"{gate.metric}_n", figures["n"])
    if figures.get(name) is None:
        why = figures.get("not_estimable", {}).get(name)
        lack = f"not estimable: {why}" if why else f"the {figures['n']} images do not allow to compute it"
        return Finding(n=n, why=f"{lack}, so this gate cannot pass")
    return Finding(figures[name], figures.get(f"{name}_low"), figures.get(f"{name}_high"), n)


def _of_comparison(gate: GateParams, split: str, comparison: Mapping[str, Any]) -> Finding:
    if split not in comparison["splits"]:
        return Finding(
            why="there is no model in production to compare with, so this gate asks nothing", nothing_asked=True
        )
    found = comparison["splits"][split]["figures"].get(gate.metric.removesuffix(DIFFERENCE))
    if found is None:
        return Finding(why="the images do not allow to compute it, so this gate cannot pass")
    return Finding(found["difference"], found["low"], found["high"], found["n"])


def _result(gate: GateParams, found: Finding) -> dict[str, Any]:
    value = found.value if gate.bound == "point" else getattr(found, gate.bound)
    entry = {**gate.model_dump(), "value": value, "n": found.n, "margin": None, "needed": None}
    if value is None:
        lack = found.why or "it has no interval. Set bound: point, or gate another metric"
        return {**entry, "passed": found.nothing_asked, "reason": f"{_name(entry)}: {lack}."}
    limit = gate.minimum if gate.minimum is not None else gate.maximum
    margin = (value - limit) if gate.maximum is None else (limit - value)  # type: ignore[operator]
    passed = margin >= 0
    needed = None if passed or gate.bound == "point" else images_needed(gate, found)
    entry |= {"margin": margin, "needed": needed, "passed": passed}
    return {**entry, "reason": _reason(gate, found, value, margin, needed)}


def images_needed(gate: GateParams, found: Finding) -> int | None:
    """How many images would prove a gate if the figure stayed what it is; None where no number would.

    A proportion's interval is Wilson's, which holds the limit against the figure at the limit's own variance. Any other
    interval shrinks with the root of the number of images, on the scale of the logit or, for differences, as it is.
    """
    limit = gate.minimum if gate.minimum is not None else gate.maximum
    bound, value = (found.low if gate.bound == "low" else found.high), found.value
    if limit is None or bound is None or value is None or not found.n:
        return None
    if (value <= limit) if gate.bound == "low" else (value >= limit):
        return None
    if gate.metric in COUNTED:
        effective = Z**2 * bound * (1 - bound) / (value - bound) ** 2 if value != bound else float(found.n)
        wanted = Z**2 * limit * (1 - limit) / (value - limit) ** 2
        return int(np.ceil(wanted * found.n / effective))
    scale = _same if gate.metric.endswith(DIFFERENCE) else _logit
    if not all(np.isfinite([scale(value), scale(bound), scale(limit)])):
        return None
    return int(np.ceil(found.n * ((scale(value) - scale(bound)) / (scale(value) - scale(limit))) ** 2))


def _logit(value: float) -> float:
    return float(np.log(value / (1 - value))) if 0 < value < 1 else float("inf")


def _same(value: float) -> float:
    return value


def _reason(gate: GateParams, found: Finding, value: float, margin: float, needed: int | None) -> str:
    limit = gate.minimum if gate.minimum is not None else gate.maximum
    kind = "minimum" if gate.maximum is None else "maximum"
    digits = 6 if margin and round(value, 3) == round(float(limit or 0), 3) else 3
    shown = f"{value:.{digits}f}" + (f" (n {found.n})" if found.n is not None else "")
    if gate.bound != "point":
        end = "lower" if gate.bound == "low" else "upper"
        shown = f"{end} bound {value:.{digits}f} (point {found.value:.3f}, n {found.n})"
    what = f"{gate.metric} on {gate.split}"
    if margin >= 0:
        return f"{what}, {shown}, meets the {kind} {limit:g}."
    missed = f"{what}, {shown}, misses the {kind} {limit:g} by {-margin:.{digits}f}."
    if needed is not None:
        return f"{missed} At the observed figure, about {needed:,} images would prove it."
    return missed if gate.bound == "point" else f"{missed} No number of images proves it at the observed figure."


def _name(gate: Mapping[str, Any]) -> str:
    return f"{gate['metric']} on {gate['split']}"


def _verdict(gates: int, failed: int) -> str:
    if not gates:
        return "There is no gate, so nothing is proven. Add gates to the recipe."
    if gates == 1:
        return "The one gate failed." if failed else "The one gate passed."
    return f"{failed} of {gates} gates failed." if failed else f"All {gates} gates passed."
