"""Late labels: what films showed, as it becomes known, and whether the figures of the release still hold for them.

Labels are a CSV file with the columns `sha256,label` (or `hash,truth`). Sensitivity and specificity, with more than two
classes accuracy, are of all logged films that have a label, at the threshold of the card. Intervals are Wilson's, with
effective films: the design effect is that of the same figure on the reference.

A figure raises an alarm where its upper bound lies below the lower bound of the release's. With two independent 95 %
intervals this happens to a model as good as ever in at most 2.5 % of looks, and in far fewer where both are as wide.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipelines.errors import DataError
from pipelines.intervals import effective_size, wilson
from pipelines.monitoring.reference import Reference

NAMES = {"sha256": "sha256", "hash": "sha256", "label": "label", "truth": "label"}


@dataclass(frozen=True)
class Figure:
    """A figure of the model at work.

    Args:
        value, low, high: of the films with a label, with the 95 % interval; None of no films.
        n: of these films.
        released, released_low, released_high: the same of the test; None where the release does not know it.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    released: float | None
    released_low: float | None
    released_high: float | None

    @property
    def implausible(self) -> bool:
        """Whether the release's figure no longer holds."""
        return self.high is not None and self.released_low is not None and self.high < self.released_low


@dataclass(frozen=True)
class Truth:
    """What late labels say.

    Args:
        labelled: logged films with a label; `without` have none yet.
        notes: what was left out of the labels, a sentence each.
    """

    figures: tuple[Figure, ...]
    labelled: int
    without: int
    notes: tuple[str, ...]

    @property
    def implausible(self) -> tuple[Figure, ...]:
        """The figures that raise the alarm."""
        return tuple(figure for figure in self.figures if figure.implausible)


def read_labels(file: Path) -> pd.DataFrame:
    """Labels by film: `sha256`, in small letters, and `label`.

    Raises:
        DataError: it is missing, no CSV file, or has other columns.
    """
    try:
        rows = pd.read_csv(file, dtype=str, keep_default_na=False, skipinitialspace=True)
    except FileNotFoundError:
        raise DataError(f"There is no {file}. Labels are a CSV file with the columns sha256,label.") from None
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise DataError(f"{file} is no CSV file ({error}). Expected the columns sha256,label.") from None
    rows = rows.rename(columns={name: NAMES.get(str(name).strip().lower(), name) for name in rows})
    if not {"sha256", "label"} <= set(rows):
        raise DataError(f"{file} has the columns {', '.join(map(str, rows))}. Expected sha256,label or hash,truth.")
    return pd.DataFrame({"sha256": rows["sha256"].str.strip().str.lower(), "label": rows["label"].str.strip()})


def truth(films: pd.DataFrame, labels: pd.DataFrame, reference: Reference, released: Mapping[str, Any]) -> Truth:
    """Hold the answers against what the films showed.

    Args:
        films: of the log, by time; of a film that was asked twice the last answer counts.
        labels: `sha256` and `label`.
        released: figures of the test, as metrics.json has them.
    """
    known, notes = _usable(labels, reference.labels)
    answers = films.drop_duplicates("sha256", keep="last")[["sha256", "label"]]
    both = answers.merge(known, on="sha256", suffixes=("_called", ""))
    if strange := len(known) - len(both):
        first = known.loc[~known["sha256"].isin(answers["sha256"]), "sha256"].iloc[0]
        notes.append(f"{_count(strange, 'label')} of films that this model did not answer in the log, e.g. {first}.")
    groups = _groups(both["label"], reference)
    figures = [_figure(name, both[chosen], reference, released) for name, chosen in groups.items()]
    return Truth(tuple(figures), len(both), len(answers) - len(both), tuple(notes))


def _usable(labels: pd.DataFrame, names: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """Labels that name a class, one for each film; what is left out, in sentences."""
    notes, fits = [], labels["label"].isin(names)
    if unknown := int((~fits).sum()):
        said = sorted(set(labels.loc[~fits, "label"]))[:3]
        notes.append(
            f"{_count(unknown, 'label')} that the model does not know, e.g. {', '.join(map(repr, said))}. Expected "
            f"{' or '.join(names)}."
        )
    known = labels[fits].drop_duplicates()
    twice = known.duplicated("sha256", keep=False)
    if twice.any():
        films = known.loc[twice, "sha256"].unique()
        notes.append(f"{_count(len(films), 'film')} with two different labels, left out, e.g. {films[0]}.")
    return known[~twice], notes


def _groups(labels: pd.Series, reference: Reference) -> dict[str, pd.Series]:
    """Which films each figure is of."""
    if reference.positive is None:
        return {"accuracy": labels.notna()}
    return {"sensitivity": labels == reference.positive, "specificity": labels != reference.positive}


def _figure(name: str, films: pd.DataFrame, reference: Reference, released: Mapping[str, Any]) -> Figure:
    count, n = int((films["label_called"] == films["label"]).sum()), len(films)
    size = n / _effect(name, reference) if n else 0.0
    low, high = wilson(count / n * size if n else 0.0, size) or (None, None)
    told = (released.get(name), released.get(f"{name}_low"), released.get(f"{name}_high"))
    return Figure(name, count / n if n else None, low, high, n, *told)


def _effect(name: str, reference: Reference) -> float:
    """Design effect of a figure on the reference."""
    films = reference.films
    if reference.positive is None or reference.threshold is None:
        hits = films["decision"] == films["label"]
    else:
        hits = (films["probability"] >= reference.threshold) == (films["label"] == reference.positive)
    chosen = _groups(films["label"], reference)[name].to_numpy()
    if not chosen.any():
        return 1.0
    _, patients = np.unique(films["patient"].to_numpy()[chosen], return_inverse=True)
    return max(float(chosen.sum()) / effective_size(hits.to_numpy()[chosen].astype(float), patients), 1.0)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
