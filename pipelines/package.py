"""Package: turn a model that passed its gates into a release, the bento with its model card."""

import json
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from pipelines.bento import ROOT, SERVED, build_bento
from pipelines.card import Card, sha256
from pipelines.errors import GateError, ReleaseError
from pipelines.evaluation.figures_text import notes
from pipelines.inference import Classifier
from pipelines.manifest import read_manifest
from pipelines.model_card.items import Measured, Task
from pipelines.model_card.people import people
from pipelines.model_card.render import model_card
from pipelines.monitoring import FILE as REFERENCE
from pipelines.monitoring.reference import reference_rows, write_reference
from pipelines.provenance import code_digest, decided, hashes, revision, versions
from pipelines.recipe import AugmentParams, CardParams, ServeParams, SourceParams, SplitParams, TrainParams
from pipelines.reference_films import reference_films
from pipelines.stage import command, fresh_folder

# Files that the stage copies or renders: dvc.yaml must know them, though nothing imports them here.
READS = (
    *SERVED,
    "serving/bento_builder.py",
    "pipelines/model_card/model_card.md.j2",
)
EVALUATED = ("metrics.json", "gates.json", "probabilities.parquet", "images.parquet")


def run(
    model: Path,
    evaluation: Path,
    profile: Path,
    manifest: Path,
    prepared: Path,
    release: Path,
    recipe: str,
    source: SourceParams,
    external: SourceParams | None,
    split: SplitParams,
    augment: AugmentParams,
    train: TrainParams,
    serve: ServeParams,
    card: CardParams,
) -> None:
    """Release a model that passed its gates; one that did not leaves the last release as it is.

    What later models and images are held against goes with it: the profile of the training images, which images
    trained and measured the model, and what it said of the films that it was tested on.

    Raises:
        DataError: there is no manifest, or it cannot be read.
        GateError: a gate failed, or there is none.
        ReleaseError: the model is missing or changed, a file of an earlier stage is missing or damaged, or BentoML
            cannot build.
    """
    measured = read_measured(evaluation)
    refuse_unproven(measured.gates)
    _read(profile)
    watched = reference_rows(pd.read_parquet(evaluation / "probabilities.parquet"), read_manifest(manifest))
    served = Classifier(model).card
    proof = hashes(
        {
            "model": model / "model.onnx",
            "card": model / "card.json",
            **{Path(name).stem: evaluation / name for name in EVALUATED},
            "recipe": ROOT / "recipes" / f"{recipe}.yaml",
            "lock": ROOT / "requirements.lock",
        }
    )
    text = model_card(served, Task(source, external, split, augment, train, card), measured)
    now = datetime.now(UTC)
    with fresh_folder(release) as folder, TemporaryDirectory(prefix="filmgate-films-") as scratch:
        films = reference_films(prepared, served.labels.names, serve, Path(scratch))
        write_reference(watched, served, [sha256(Path(film["path"])) for film in films], folder / REFERENCE)
        bento = build_bento(model, served, films, told(measured, card, now), folder)
        shutil.copyfile(profile, folder / "profile.json")
        shutil.copyfile(evaluation / "images.parquet", folder / "images.parquet")
        (folder / "MODEL_CARD.md").write_text(text, encoding="utf-8")
        note = release_note(served, bento, measured, proof | {"code": code_digest(ROOT)}, now)
        (folder / "release.json").write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")
    print(f"{release}: {bento.name}")


def read_measured(evaluation: Path) -> Measured:
    """What the evaluation found.

    Raises:
        ReleaseError: a file of it is missing or damaged.
    """
    metrics, gates = _read(evaluation / "metrics.json"), _read(evaluation / "gates.json")
    if missing := [name for name in EVALUATED if not (evaluation / name).is_file()]:
        raise ReleaseError(f"There is no {evaluation / missing[0]}. Run the stages before this one first.")
    compared = evaluation / "comparison.json"
    comparison = _read(compared) if compared.is_file() else None
    return Measured(metrics, gates, comparison, people(pd.read_parquet(evaluation / "probabilities.parquet")))


def refuse_unproven(gates: Mapping[str, Any]) -> None:
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


def failure(gate: Mapping[str, Any]) -> str:
    """A failed gate in words: metric, split, bound, value and limit."""
    bound = {"low": "the lower bound of ", "high": "the upper bound of "}.get(gate["bound"], "")
    value = "unknown" if gate["value"] is None else f"{gate['value']:.4g}"
    kind = "minimum" if gate.get("maximum") is None else "maximum"
    return f"{bound}{gate['metric']} on {gate['split']} is {value}, the {kind} is {gate[kind]:g}"


def told(measured: Measured, stated: CardParams, now: datetime) -> dict[str, Any]:
    """What the service tells of a release: its date, on whom it was tested, what is doubtful, and what people state."""
    tested = {
        split: {name: value for name, value in figures.items() if isinstance(value, int | float)}
        | {"patients": measured.people.get(split, {}).get("patients")}
        for split, figures in measured.figures.items()
    }
    return {
        "date": now.isoformat(timespec="seconds"),
        "tested": tested,
        "flags": notes(measured.metrics, measured.gates),
        "about": stated.model_dump(mode="json"),
    }


def release_note(
    served: Card, bento: Path, measured: Measured, proof: Mapping[str, str], now: datetime
) -> dict[str, Any]:
    """What release.json holds: which model was released as which file, on what grounds, from what, and by whom.

    Args:
        served: the card that travels with the model.
        proof: SHA-256 by name.
    """
    prepared = {split: facts.get("sha256") for split, facts in served.facts.get("data", {}).items()}
    return {
        "recipe": served.recipe,
        "version": served.version,
        "bento": bento.name,
        "bento_sha256": sha256(bento),
        "model_sha256": served.sha256,
        "gates": measured.gates["gates"],
        "rules": {name: measured.gates["rules"][name] for name in ("threshold", "margin")},
        "metrics": measured.metrics,
        "comparison": measured.comparison,
        "hashes": {
            **proof,
            "prepared": prepared,
            "measured": {split: figures.get("images_sha256") for split, figures in measured.metrics.items()},
            "rules": measured.gates["rules"]["sha256"],
        },
        "versions": versions(),
        "git": revision(ROOT),
        "decided": decided(ROOT, now),
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
