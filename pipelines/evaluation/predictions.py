"""The table of predictions: one row per image with what the model said of it. Every figure is computed from it.

Columns: `split, image_id, path, patient_id, site, view, sex, age, label, target`, `probability_<label>` for each class,
`probability` (of the positive class; two classes only), `distance`, `familiarity`, `decision`, and `reason` where that
is `refused`. Where they are known also `sha256, width, height` of the file, `heat_hit, heat_inside, mask_share,
heat_outside_body` of the heatmap, and `champion_probability_<label>`, what the model in production says of the same
image.

The file carries the terms of its evaluation (labels, threshold, gates and the like) in its own metadata, so that it
alone is the whole record.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.card import Card
from pipelines.errors import DataError, ModelError
from pipelines.guard import judge
from pipelines.inference import Answers
from pipelines.recipe import LabelParams
from pipelines.usual import statistics_of

COLUMNS = ["split", "image_id", "path", "patient_id", "site", "view", "sex", "age", "label", "target"]
CHAMPION, TERMS = "champion_", b"filmgate"
TOLERANCE = 1e-3  # by which the probabilities of an image may miss 1; float32 gives 1e-7


def tabulate(rows: pd.DataFrame, answers: Answers, card: Card) -> pd.DataFrame:
    """The table of predictions of one split.

    Args:
        rows: of the prepared split, one per image, with the statistics that the manifest has of it.
        answers: of the model, in the same order.
    Raises:
        ModelError: a probability is not in [0, 1].
    """
    chances = answers.probability.astype(np.float64)
    if bad := int((~((chances >= 0) & (chances <= 1))).any(axis=1).sum()):
        raise ModelError(f"The model gives {bad} of {len(rows)} images a probability outside [0, 1]. Train it again.")
    table = rows[COLUMNS].reset_index(drop=True)
    for index, label in enumerate(card.labels.names):
        table[f"probability_{label}"] = chances[:, index]
    if card.labels.positive is not None:
        table["probability"] = chances[:, card.labels.positive_index]
    table["distance"] = answers.distance.astype(np.float64)
    said = zip(chances, table["distance"], statistics_of(rows), strict=True)
    verdicts = [judge(card, *one) for one in said]
    for name in ("familiarity", "decision", "reason"):
        table[name] = [getattr(verdict, name) for verdict in verdicts]
    return table


def write_record(table: pd.DataFrame, terms: Mapping[str, Any], path: Path) -> None:
    """Write the table with the terms of its evaluation."""
    content = pa.Table.from_pandas(table, preserve_index=False)
    described = {**(content.schema.metadata or {}), TERMS: json.dumps(terms, allow_nan=False).encode()}
    pq.write_table(content.replace_schema_metadata(described), path)


def read_record(path: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The table and the terms of its evaluation, checked.

    Raises:
        DataError: the file is missing, damaged or without terms, or figures cannot be computed (`check_table`).
    """
    try:
        content = pq.read_table(path)
    except FileNotFoundError:
        raise DataError(f"There is no {path}. Run the evaluate stage first.") from None
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path} is no Parquet file ({error}). Run the evaluate stage again.") from None
    if TERMS not in (content.schema.metadata or {}):
        raise DataError(f"{path} does not hold the terms of its evaluation. Run the evaluate stage again.")
    terms: dict[str, Any] = json.loads(content.schema.metadata[TERMS])
    table = content.to_pandas()
    check_table(table, LabelParams.model_validate_json(json.dumps(terms["labels"])), str(path))
    return table, terms


def check_table(table: pd.DataFrame, labels: LabelParams, name: str) -> None:
    """Refuse a table that figures cannot be computed from.

    Raises:
        DataError: it has no rows; a column is missing; a target is no class; an image stands in a split twice; or a
            probability is not a number, lies outside [0, 1], or those of an image do not add up to 1.
    """
    chances = [f"probability_{label}" for label in labels.names]
    wanted = [*COLUMNS, *chances, *(["probability"] if labels.positive is not None else []), "decision"]
    if missing := [column for column in wanted if column not in table]:
        raise DataError(f"{name} has no column {', '.join(missing)}. Run the evaluate stage again.")
    if table.empty:
        raise DataError(f"{name} has no rows. Expected one per image: run the evaluate stage again.")
    if twice := int(table.duplicated(["split", "image_id"]).sum()):
        raise DataError(f"{name} has {twice} images twice. Expected one row per image of a split.")
    if bad := int((~table["target"].isin(range(len(labels.names)))).sum()):
        raise DataError(f"{name} has {bad} rows whose target is none of 0 to {len(labels.names) - 1}.")
    _check_chances(table, [column for column in table if _is_probability(column)], name)
    off = np.abs(table[chances].to_numpy(dtype=np.float64).sum(axis=1) - 1) > TOLERANCE
    if off.any():
        raise DataError(f"{name} has {int(off.sum())} rows whose probabilities do not add up to 1. Evaluate again.")


def patients_of(table: pd.DataFrame) -> np.ndarray:
    """A number from 0 for each image's patient, (n,); a patient's number is good within his site alone."""
    groups = table.groupby(["site", "patient_id"], dropna=False, sort=False)
    return groups.ngroup().to_numpy(dtype=np.int64)


def probabilities(table: pd.DataFrame, labels: LabelParams) -> np.ndarray:
    """(images, classes), in the order of the labels."""
    return table[[f"probability_{label}" for label in labels.names]].to_numpy(dtype=np.float64)


def called(table: pd.DataFrame, labels: LabelParams, threshold: float | None) -> np.ndarray:
    """Index of the class that each image is called, (n,), referred and refused images included.

    With two classes it is the positive one from the threshold on; with more the most probable one.
    """
    if threshold is None:
        return probabilities(table, labels).argmax(axis=1)
    yes = labels.positive_index
    return np.where(table["probability"] >= threshold, yes, 1 - yes)


def stated(table: pd.DataFrame, labels: LabelParams) -> tuple[np.ndarray, np.ndarray]:
    """What the model promises of each image, (n,) in [0, 1], and whether it came true, (n,) bool.

    With two classes: the probability of the positive class. With more: the probability of the class called.
    """
    target = table["target"].to_numpy()
    if labels.positive is not None:
        return table["probability"].to_numpy(), target == labels.positive_index
    chances = probabilities(table, labels)
    return chances.max(axis=1), chances.argmax(axis=1) == target


def of_champion(table: pd.DataFrame, labels: LabelParams) -> pd.DataFrame:
    """The probabilities of the model in production under the names that `probabilities` and `called` read."""
    other = pd.DataFrame({f"probability_{label}": table[f"{CHAMPION}probability_{label}"] for label in labels.names})
    if labels.positive is not None:
        other["probability"] = other[f"probability_{labels.positive}"]
    return other


def _is_probability(column: Any) -> bool:
    return str(column).removeprefix(CHAMPION).startswith("probability")


def _check_chances(table: pd.DataFrame, columns: list[Any], name: str) -> None:
    for column in columns:
        values = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=np.float64)
        if bad := int(np.isnan(values).sum()):
            raise DataError(f"{name} has {bad} rows whose {column} is not a number. Expected one in [0, 1].")
        if bad := int(((values < 0) | (values > 1)).sum()):
            raise DataError(f"{name} has {bad} rows whose {column} lies outside [0, 1]. Run the evaluate stage again.")
