"""Package: turn a model that passed its gates into a release, the bento with its model card."""

import json
import shutil
from pathlib import Path
from typing import Any

from pipelines.bento import SERVED, build_bento
from pipelines.card import Card, sha256
from pipelines.errors import GateError, ReleaseError
from pipelines.inference import Classifier
from pipelines.model_card import model_card
from pipelines.stage import command, fresh_folder

# Files that the stage copies or renders: dvc.yaml must know them, though nothing imports them here.
READS = (*SERVED, "pipelines/bento_builder.py", "pipelines/model_card.md.j2")


def run(model: Path, evaluation: Path, profile: Path, release: Path) -> None:
    """Release a model that passed its gates; one that did not leaves the last release as it is.

    The profile of the training images goes with it, so that later images can be held against those behind the model.

    Raises:
        GateError: a gate failed, or there is none.
        ReleaseError: the model is missing or changed, a file of an earlier stage is missing or damaged, or BentoML
            cannot build.
    """
    gates, metrics = _read(evaluation / "gates.json"), _read(evaluation / "metrics.json")
    refuse_unproven(gates)
    _read(profile)
    card = Classifier(model).card
    with fresh_folder(release) as folder:
        bento = build_bento(model, card, folder)
        shutil.copyfile(profile, folder / "profile.json")
        (folder / "MODEL_CARD.md").write_text(model_card(card, metrics, gates["gates"]), encoding="utf-8")
        note = json.dumps(release_note(card, bento, gates["gates"], metrics), indent=2)
        (folder / "release.json").write_text(note + "\n", encoding="utf-8")
    print(f"{release}: {bento.name}")


def refuse_unproven(gates: dict[str, Any]) -> None:
    """Stop a model that did not prove what it had to.

    Args:
        gates: what gates.json holds.
    Raises:
        GateError: a gate failed, or there is none.
    """
    failed = [gate for gate in gates["gates"] if not gate["passed"]]
    if failed:
        raise GateError(
            f"The model may not be released: {'; '.join(map(failure, failed))}. "
            "What was released before stays. Improve the data or the model, and train again."
        )
    if not (gates["passed"] and gates["gates"]):
        raise GateError(gates.get("reason", "There is no gate, so nothing is proven. Add gates to the recipe."))


def failure(gate: dict[str, Any]) -> str:
    """A failed gate in words: metric, split, bound, value and minimum."""
    bound = "the lower bound of " if gate["bound"] == "low" else ""
    value = "unknown" if gate["value"] is None else f"{gate['value']:.4g}"
    return f"{bound}{gate['metric']} on {gate['split']} is {value}, the minimum is {gate['minimum']:g}"


def release_note(card: Card, bento: Path, gates: list[dict[str, Any]], metrics: dict[str, Any]) -> dict[str, Any]:
    """What release.json holds: which model was released as which file, and on what grounds."""
    return {
        "recipe": card.recipe,
        "version": card.version,
        "bento": bento.name,
        "bento_sha256": sha256(bento),
        "model_sha256": card.sha256,
        "gates": gates,
        "metrics": metrics,
    }


def _read(path: Path) -> dict[str, Any]:
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return values
    except FileNotFoundError:
        raise ReleaseError(f"There is no {path}. Run the stages before this one first.") from None
    except ValueError as error:
        raise ReleaseError(f"{path} is not JSON ({error}). Run the stages before this one again.") from None


if __name__ == "__main__":
    command(run)
