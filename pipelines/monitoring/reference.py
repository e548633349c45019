"""What a release keeps to be watched by: the films that tested it, as the prediction log would have them.

`monitoring.parquet` has one row for each held-out film of the home hospital: `patient`, a number that names nobody;
the statistics of the log; `label`, the truth; `probability`, `decision` and `familiarity`. Its metadata hold the facts
of the model.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.card import Card
from pipelines.errors import ReleaseError
from pipelines.monitoring import FILE

FACTS = b"filmgate"
NUMBERS = ("mean", "std", "dark", "bright", "border", "colour", "width", "height", "bytes", "bits")
ANSWERS = ("probability", "familiarity")
SHARES = ("decision", "mode")


@dataclass(frozen=True)
class Reference:
    """What the model in production is held against.

    Args:
        films: one row a held-out film: `patient`, NUMBERS, ANSWERS, SHARES and `label`.
        recipe, version, sha256: of the model.
        labels: its classes; `positive` is the one that a positive answer means, None with more than two.
        threshold: probability from which the answer is positive; None with more than two classes.
        reference_films: SHA-256 of the films that travel with the model: whoever sends one tries the service.
    """

    films: pd.DataFrame
    recipe: str
    version: str
    sha256: str
    labels: tuple[str, ...]
    positive: str | None
    threshold: float | None
    reference_films: frozenset[str]


def reference_rows(table: pd.DataFrame, manifest: pd.DataFrame) -> pd.DataFrame:
    """The rows of `monitoring.parquet`.

    Args:
        table: of predictions; the rows of other splits than `test` are left out.
        manifest: with the statistics of the same images.
    """
    held_out = table[table["split"] == "test"].reset_index(drop=True)
    known = held_out[["image_id"]].merge(manifest, on="image_id", how="left", validate="one_to_one")
    rows = pd.DataFrame({"patient": held_out.groupby(["site", "patient_id"], dropna=False, sort=False).ngroup()})
    for name in (*NUMBERS, "mode"):
        rows[name] = known[name]
    chances = [name for name in held_out if str(name).startswith("probability_")]
    best = held_out[chances].max(axis=1)
    rows["probability"] = held_out.get("probability", best)
    return rows.assign(**{name: held_out[name] for name in ("familiarity", "decision", "label")})


def write_reference(rows: pd.DataFrame, card: Card, films: list[str], path: Path) -> None:
    """Write `monitoring.parquet`.

    Args:
        films: SHA-256 of the films that may travel with the model.
    """
    facts = {
        "recipe": card.recipe,
        "version": card.version,
        "sha256": card.sha256,
        "labels": list(card.labels.names),
        "positive": card.labels.positive,
        "threshold": card.threshold,
        "reference_films": sorted(films),
    }
    content = pa.Table.from_pandas(rows, preserve_index=False)
    metadata = {**(content.schema.metadata or {}), FACTS: json.dumps(facts, allow_nan=False).encode()}
    pq.write_table(content.replace_schema_metadata(metadata), path)


def read_reference(release: Path) -> Reference:
    """What the release in a folder keeps.

    Raises:
        ReleaseError: it keeps nothing, as releases of before did, or the file is damaged.
    """
    path = release / FILE
    try:
        content = pq.read_table(path)
        facts: dict[str, Any] = json.loads((content.schema.metadata or {})[FACTS])
        films = content.to_pandas()
        films = films.astype(dict.fromkeys((*NUMBERS, *ANSWERS), np.float64) | {"patient": np.int64})
        own = {name: facts[name] for name in ("recipe", "version", "sha256", "positive", "threshold")}
        return Reference(
            films, labels=tuple(facts["labels"]), reference_films=frozenset(facts["reference_films"]), **own
        )
    except FileNotFoundError:
        raise ReleaseError(
            f"There is no {path}: the release is older than monitoring, or there is none. Release the model again: "
            "python -m flows.retrain."
        ) from None
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowInvalid) as error:
        raise ReleaseError(f"{path} is damaged ({error}). Take it from its release again.") from None
