"""The rules of an evaluation, fixed before it: gates, threshold rule and margin; and which are looser than before."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipelines.recipe import GateParams, ThresholdParams
from pipelines.section import Section

THEN = "when the model in production was released"


class Rules(Section):
    """What a model is asked, as it stood when it was evaluated.

    Args:
        margin: of non-inferiority.
    """

    threshold: ThresholdParams
    gates: tuple[GateParams, ...]
    margin: float

    @property
    def sha256(self) -> str:
        """Digest of the rules, in hexadecimal; equal rules have equal digests."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()


def loosened(now: Rules, before: Mapping[str, Any]) -> list[str]:
    """How rules ask less than earlier ones did, a sentence each.

    Args:
        before: `gates`, `threshold` and `margin` in force when the model in production was released, as its
            release.json holds them; what it does not hold is not compared.
    """
    asked = now.model_dump(mode="json")
    said = list(_gates(asked["gates"], before.get("gates") or ()))
    if old := before.get("threshold"):
        said += _threshold(asked["threshold"], old)
    if (margin := before.get("margin")) is not None and now.margin > margin:
        said.append(f"The margin of non-inferiority was {margin:g} {THEN}, now {now.margin:g}.")
    return said


def _gates(gates: Sequence[Mapping[str, Any]], before: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for old in before:
        name = f"{old['metric']} on {old['split']}"
        same = [new for new in gates if (new["metric"], new["split"]) == (old["metric"], old["split"])]
        if not same:
            yield f"{name} was gated {THEN}, and no longer is."
        elif not any(_as_strict(new, old) for new in same):
            yield f"{name} had to be {_limit(old)} {THEN}, now {_limit(same[0])}."


def _as_strict(new: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    if new["bound"] == "point" and old["bound"] != "point":
        return False
    if old.get("maximum") is None:
        return new["minimum"] is not None and new["minimum"] >= old["minimum"]
    return new.get("maximum") is not None and new["maximum"] <= old["maximum"]


def _limit(gate: Mapping[str, Any]) -> str:
    side = "at least" if gate.get("maximum") is None else "at most"
    limit = gate["minimum"] if gate.get("maximum") is None else gate["maximum"]
    return f"{side} {limit:g} ({'as observed' if gate['bound'] == 'point' else 'at the bound of its interval'})"


def _threshold(new: Mapping[str, Any], old: Mapping[str, Any]) -> Iterator[str]:
    """Another rule counts as looser, since it promises something else."""
    promised, promises = _promised(old), _promised(new)
    if new["rule"] != old["rule"] or any(one < other for one, other in zip(promises, promised, strict=True)):
        yield f"The threshold was chosen for {_aim(old)} {THEN}, now for {_aim(new)}."
    if new["refer_error"] > old["refer_error"]:
        was, now = old["refer_error"], new["refer_error"]
        yield f"Outside the refer band a share of {was:g} could be wrong {THEN}, now {now:g}."


def _promised(rule: Mapping[str, Any]) -> tuple[float, float]:
    """What is reached, or what a miss is worth, and with which confidence; nothing where it reaches what it can."""
    if rule["rule"] == "cost":
        return rule["miss_cost"], 0.0
    if rule["rule"] == "youden":
        return 0.0, 0.0
    return rule["minimum"], rule["confidence"] or 0.0


def _aim(rule: Mapping[str, Any]) -> str:
    if rule["rule"] == "youden":
        return "the largest sum of sensitivity and specificity"
    if rule["rule"] == "cost":
        return f"the least cost (a miss worth {rule['miss_cost']:g} false alarms)"
    sure = "as observed" if rule["confidence"] is None else f"confidence {rule['confidence']:g}"
    return f"a {rule['rule']} of {rule['minimum']:g} ({sure})"
