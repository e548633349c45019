"""What the report says in sentences: of shortcuts, of the promise behind the threshold, of the heatmaps."""

from collections.abc import Mapping
from typing import Any

from pipelines.card import Card
from pipelines.evaluation.figures_text import percent, share

KINDS = {"sensitivity": "positive", "specificity": "negative"}
RULES = {
    "youden": "where sensitivity + specificity is largest",
    "cost": "where misses and false alarms together cost least",
}


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
    said = f"Of what preparation leaves for the model to see, {best['name']} guesses best (AUC {share(best['auc'])})."
    if limit is None or shortcuts["severity"] == "off":
        return said
    above = [entry["name"] for entry in left if entry["auc"] > limit]
    if (together := shortcuts["together"]["left"]["auc"]) > limit:
        above.append(f"all that is left, together ({share(together)})")
    if not above:
        return f"{said} Nothing that is left exceeds the limit of {limit:g}."
    return (
        f"{said} Above the limit of {limit:g}: {', '.join(above)}. A model may have learnt this in place of the "
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


def promise(card: Card) -> list[str]:
    """How the threshold was chosen, what it promises, and whether validation proves it."""
    point = card.facts.get("operating_point")
    if not point:
        return []
    return [*_threshold(point), *_refer(card, point)]


def explained(card: Card, metrics: Mapping[str, Any]) -> list[str]:
    """What the measures of the heatmaps say."""
    said = []
    for split, found in metrics.items():
        if found.get("pointing_game") is not None and found.get("mask_share") is not None:
            above = "well above" if found["pointing_game_low"] > found["mask_share"] else "not proven to be above"
            said.append(
                f"On {split} the hottest point lies inside the finding in {percent(found['pointing_game'])} of the "
                f"{found['pointing_game_n']} images whose finding is known, by chance in "
                f"{percent(found['mask_share'])}: that is {above} chance."
            )
    check = card.facts.get("randomisation")
    if check and check["similarity"] is not None:
        said.append(
            f"Randomisation check: with its last layers shuffled, the model draws heatmaps of {check['images']} "
            f"validation images whose rank correlation with the true ones is {check['similarity']:.2f} on average. "
            f"So the heatmaps {'depend' if check['passed'] else 'hardly depend'} on what was learnt."
        )
    return said


def _threshold(point: Mapping[str, Any]) -> list[str]:
    rule = point["rule"]
    if rule in RULES:
        return [f"It lies {RULES[rule]} on validation, which promises nothing."]
    aim = f"a {rule} of at least {point['minimum']:g}"
    if point["confidence"] is None:
        return [f"It reaches {aim} on validation, as observed, which promises nothing."]
    promised = (
        f"It promises {aim} for new patients of the same hospital, with a confidence of {percent(point['confidence'])}."
    )
    proof = f"The {point['patients']} validation patients with {KINDS[rule]} images"
    if point["proven"]:
        return [promised, f"{proof} prove it."]
    needed = f"; {point['needed']} without a miss would be needed" if point.get("needed") else ""
    return [promised, f"{proof} do not prove it{needed}."]


def _refer(card: Card, point: Mapping[str, Any]) -> list[str]:
    error = f"at most {percent(point['refer_error'])} of answers are wrong on either side"
    if point["confidence"] is None:
        return [f"Outside the band {error}, as observed on validation."] if card.refer else []
    if point["refer_proven"]:
        return [f"Outside the band {error}, which validation proves with the same confidence."]
    needed = (
        f" ({point['refer_needed']} patients without an error would be needed)" if point.get("refer_needed") else ""
    )
    return [f"That {error} outside the band was observed on validation, but is not proven{needed}."]
