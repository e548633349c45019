"""Gates: what a model must prove before it may be released, and whether it did."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.recipe import GateParams

LOWER_IS_BETTER = ("brier", "ece")


def check(metrics: Mapping[str, Mapping[str, Any]], gates: Sequence[GateParams]) -> dict[str, Any]:
    """Hold the figures of every split against every gate.

    Args:
        metrics: what metrics.json holds.
    Returns:
        What gates.json holds: `passed`, the same in a sentence as `reason`, and `gates` with one entry each.
        No gate at all proves nothing, and does not pass.
    """
    results = [_result(gate, metrics) for gate in gates]
    failed = sum(not result["passed"] for result in results)
    return {"passed": bool(results) and not failed, "reason": _verdict(len(results), failed), "gates": results}


def _result(gate: GateParams, metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    figures = metrics.get(gate.split)
    value = figures.get(_key(gate)) if figures else None
    if gate.metric in LOWER_IS_BETTER:
        value = None
    passed = value is not None and value >= gate.minimum
    reason = _lack(gate, figures) if value is None else _reason(gate, figures or {}, value)
    return {**gate.model_dump(), "value": value, "passed": passed, "reason": reason}


def _key(gate: GateParams) -> str:
    return gate.metric if gate.bound == "point" else f"{gate.metric}_low"


def _reason(gate: GateParams, figures: Mapping[str, Any], value: float) -> str:
    what, n = f"{gate.metric} on {gate.split}", figures.get(f"{gate.metric}_n", figures["n"])
    digits = 6 if value != gate.minimum and round(value, 3) == round(gate.minimum, 3) else 3
    shown = f"{value:.{digits}f} (n {n})"
    if gate.bound == "low":
        shown = f"lower bound {value:.{digits}f} (point {figures[gate.metric]:.3f}, n {n})"
    if value >= gate.minimum:
        return f"{what}, {shown}, meets the minimum {gate.minimum:g}."
    return f"{what}, {shown}, misses the minimum {gate.minimum:g} by {gate.minimum - value:.{digits}f}."


def _lack(gate: GateParams, figures: Mapping[str, Any] | None) -> str:
    """Why there is nothing to hold against a gate."""
    what = f"{gate.metric} on {gate.split}"
    if figures is None:
        return f"{what}: there are no {gate.split} images, so this gate cannot pass."
    if gate.metric in LOWER_IS_BETTER:
        return f"{what}: lower is better, so a minimum proves nothing. Gate another metric."
    if figures.get(gate.metric) is None:
        return f"{what}: the {figures['n']} images do not allow to compute it, so this gate cannot pass."
    return f"{what} has no interval. Set bound: point, or gate another metric."


def _verdict(gates: int, failed: int) -> str:
    if not gates:
        return "There is no gate, so nothing is proven. Add gates to the recipe."
    if gates == 1:
        return "The one gate failed." if failed else "The one gate passed."
    return f"{failed} of {gates} gates failed." if failed else f"All {gates} gates passed."
