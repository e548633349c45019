"""Shortcut audit: how well can the label be guessed from what is known of a file, without looking at the film?

A property that gives the label away (file size, dimensions, brightness, the hospital) is a shortcut: a model may learn
it in place of the disease, shine on its own test set, and fail at the next hospital (Geirhos et al. 2020,
10.1038/s42256-020-00257-z; on chest films DeGrave et al. 2021, 10.1038/s42256-021-00338-7, and Zech et al. 2018,
10.1371/journal.pmed.1002683). Preparation removes some properties: every image leaves it with the same size, mode and
depth. The others are left for the model to find.

Each guess is made by boosted trees on patients that they were not fitted to. A missing value is a value like any other:
that something is unknown may give the label away as well. Brightness and border are measured on the film itself: a
disease that brightens the lungs guesses its own label a little from these, most of all when they are taken together.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits

from pipelines.intervals import AucParts, Z, auc_parts, newcombe
from pipelines.recipe import ImageParams, LabelParams

ASPECT = "width / height"
PROPERTIES = {
    "file size": ("bytes",),
    "dimensions": ("width", "height"),
    "aspect": (ASPECT,),
    "mode": ("mode",),
    "bit depth": ("bits",),
    "mean brightness": ("mean",),
    "spread of brightness": ("std",),
    "border content": ("border", "dark", "bright"),
    "colour": ("colour",),
    "site": ("site",),
    "view": ("view",),
    "sex": ("sex",),
    "age": ("age",),
}
CATEGORIES = ("mode", "site", "view", "sex")
MOST_IMAGES, MOST_CATEGORIES, FOLDS, SEED = 10_000, 200, 5, 0


@dataclass(frozen=True)
class Guesses:
    """Guesses of the label of images by a model that was fitted to other patients.

    Args:
        target: (images,) index of the class.
        patient: (images,) index of the patient.
        folds: places of the images to fit to and to guess, for each round.
    """

    target: np.ndarray
    patient: np.ndarray
    folds: Sequence[tuple[np.ndarray, np.ndarray]]

    def score(self, table: pd.DataFrame) -> dict[str, float | None]:
        """AUC of the guesses from these columns, with its 95 % interval; null where no round could be measured.

        The AUC is the mean over rounds, and over classes, each against the rest. Its variance is the sum over patients
        of their squared influence on it (LeDell et al. 2015, 10.1214/15-EJS1035; by patient as in Obuchowski 1997,
        10.2307/2533958); the chance in fitting is left out of account.
        """
        found: dict[int, list[tuple[AucParts, np.ndarray]]] = {}
        for fitted, guessed in self.folds:
            if np.ptp(self.target[fitted]) == 0:
                continue
            chances = _guess(table.iloc[fitted], self.target[fitted], table.iloc[guessed])
            for label, chance in chances.items():
                if (parts := auc_parts(self.target[guessed] == label, chance)) is not None:
                    found.setdefault(label, []).append((parts, guessed))
        if not found:
            return {"auc": None, "auc_low": None, "auc_high": None}
        influence = np.zeros(len(self.target))
        for rounds in found.values():
            for parts, guessed in rounds:
                influence[guessed] += parts.influence / len(rounds) / len(found)
        auc = float(np.mean([np.mean([parts.value for parts, _ in rounds]) for rounds in found.values()]))
        low, high = self._interval(auc, influence)
        return {"auc": round(auc, 4), "auc_low": round(low, 4), "auc_high": round(high, 4)}

    def _interval(self, auc: float, influence: np.ndarray) -> tuple[float, float]:
        """On the scale of the logit; from AUC and sizes alone where all patients are told apart, or none."""
        by_patient = np.bincount(self.patient, weights=influence)
        variance = float((by_patient**2).sum()) * len(by_patient) / (len(by_patient) - 1)
        if variance < 1e-12 or not 0 < auc < 1:
            rarest = min(len(np.unique(self.patient[self.target == label])) for label in np.unique(self.target))
            return newcombe(min(max(auc, 0.0), 1.0), rarest, max(len(by_patient) - rarest, 1))
        centre, reach = np.log(auc / (1 - auc)), Z * np.sqrt(variance) / (auc * (1 - auc))
        return float(1 / (1 + np.exp(reach - centre))), float(1 / (1 + np.exp(-reach - centre)))


def audit(images: pd.DataFrame, labels: LabelParams, image: ImageParams) -> dict[str, Any]:
    """How well each property guesses the label, and all together.

    Args:
        images: rows of a manifest, from the splits that a model may learn from.
        image: how they will be prepared, which decides what is left of a property.
    Returns:
        Ready for JSON. `images` looked at, `of` how many, of how many `patients`; `classes` told apart; `folds`;
        `note`: what could not be measured and why, or null. `properties`, the best guess first, each with `name`,
        `columns`, whether preparation takes it away (`removed`), `auc`, `auc_low`, `auc_high` (null: not measured), and
        as `note` `constant` (the same in every image), `absent` (known of none) or null. `together`: the same of all
        properties that are `removed`, that are `left`, and of `all`. `strongest`: name and AUC of the best guess, or
        null.
    """
    known = images[images["label"].isin(labels.names)]
    looked_at, note = _told_apart(_sample(known), labels)
    classes = [name for name in labels.names if (looked_at["label"] == name).any()]
    guesses, table = _guesses(looked_at, classes), _table(looked_at)
    kinds = {
        "removed": [name for name in PROPERTIES if removed(name, image)],
        "left": [name for name in PROPERTIES if not removed(name, image)],
        "all": list(PROPERTIES),
    }
    with threadpool_limits(1):  # more threads are slower on so little work, and much slower on busy cores
        single = [
            {"name": name, "removed": removed(name, image), **_entry(guesses, table, [name])} for name in PROPERTIES
        ]
        together = {kind: _entry(guesses, table, names) for kind, names in kinds.items()}
    single.sort(key=lambda one: -(one["auc"] or 0.0))
    best = single[0]
    return {
        "images": len(looked_at),
        "of": len(known),
        "patients": len(np.unique(guesses.patient)),
        "classes": classes,
        "folds": len(guesses.folds),
        "note": note,
        "properties": single,
        "together": together,
        "strongest": {"name": best["name"], "auc": best["auc"]} if best["auc"] is not None else None,
    }


def removed(name: str, image: ImageParams) -> bool:
    """Whether preparation takes a property away.

    Brightness goes with an even histogram, colour with grey. The aspect goes only where what sticks out is cut off:
    padding shows it, and stretching distorts the anatomy by it.
    """
    if name in ("mean brightness", "spread of brightness"):
        return image.levels == "equalized"
    if name == "colour":
        return image.channels == 1
    if name == "aspect":
        return image.fit == "crop"
    return name in ("file size", "dimensions", "mode", "bit depth")


def _sample(images: pd.DataFrame) -> pd.DataFrame:
    """At most MOST_IMAGES; which, and in which order, follows from the names of the images alone."""
    digests = [hashlib.sha256(str(name).encode()).digest() for name in images["image_id"]]
    return images.iloc[sorted(range(len(images)), key=digests.__getitem__)[:MOST_IMAGES]]


def _told_apart(images: pd.DataFrame, labels: LabelParams) -> tuple[pd.DataFrame, str | None]:
    """The images of classes with at least two patients, and a sentence on what cannot be done, or None."""
    counts = _patients(images).groupby(images["label"]).nunique().reindex(labels.names, fill_value=0)
    usable, rare = counts[counts > 1], ", ".join(counts.index[counts < 2])
    if len(usable) < 2:
        return images.iloc[:0], f"Nothing was measured: there are fewer than two patients of {rare}."
    notes = [f"Left out for want of patients: {rare}."] if rare else []
    if (fewest := usable.min()) < FOLDS:
        notes.append(f"{fewest} folds instead of {FOLDS}, as there are only {fewest} patients of {usable.idxmin()}.")
    return images[images["label"].isin(usable.index)], " ".join(notes) or None


def _guesses(images: pd.DataFrame, classes: Sequence[str]) -> Guesses:
    target = images["label"].map({name: index for index, name in enumerate(classes)}).to_numpy(dtype=np.int64)
    patient = pd.factorize(_patients(images))[0]
    if not classes:
        return Guesses(target, patient, [])
    fewest = min(len(np.unique(patient[target == label])) for label in range(len(classes)))
    dealer = StratifiedGroupKFold(min(FOLDS, fewest), shuffle=True, random_state=SEED)
    return Guesses(target, patient, list(dealer.split(target, target, patient)))


def _patients(images: pd.DataFrame) -> pd.Series:
    return images["site"].fillna("").astype(str) + "/" + images["patient_id"].fillna(images["image_id"]).astype(str)


def _table(images: pd.DataFrame) -> pd.DataFrame:
    """The columns of all properties as numbers; what is missing is null, which the trees take as a value."""
    every = images.assign(**{ASPECT: images["width"] / images["height"]})
    names = [name for columns in PROPERTIES.values() for name in columns if name in every]
    return pd.DataFrame({name: _ranks(every[name]) if name in CATEGORIES else _numbers(every[name]) for name in names})


def _numbers(column: pd.Series) -> pd.Series:
    return pd.to_numeric(column).astype("float64").replace([np.inf, -np.inf], np.nan)


def _ranks(column: pd.Series) -> pd.Series:
    """Rank of each value by frequency, ties by name; null where the value is missing."""
    values = column.astype("str").where(column.notna())
    counts = values.value_counts()
    names = sorted(counts.index, key=lambda name: (-counts[name], name))
    return values.map({name: min(rank, MOST_CATEGORIES) for rank, name in enumerate(names)})


def _entry(guesses: Guesses, table: pd.DataFrame, names: Sequence[str]) -> dict[str, Any]:
    columns = [column for name in names for column in PROPERTIES[name]]
    known = [column for column in columns if column in table and table[column].notna().any()]
    telling = [column for column in known if table[column].nunique(dropna=False) > 1]
    if guesses.folds and not telling:
        score = {"auc": 0.5, "auc_low": None, "auc_high": None}
        return {"columns": columns, **score, "note": "constant" if known else "absent"}
    return {"columns": columns, **guesses.score(table[telling]), "note": None}


def _guess(known: pd.DataFrame, target: np.ndarray, asked: pd.DataFrame) -> dict[int, np.ndarray]:
    """Probability of each class that there is among the known images, for each image that is asked for."""
    model = HistGradientBoostingClassifier(
        max_iter=25,
        learning_rate=0.2,
        max_leaf_nodes=4,
        min_samples_leaf=int(np.clip(len(target) // 10, 3, 40)),
        l2_regularization=1.0,
        categorical_features=[name in CATEGORIES for name in known.columns],
        early_stopping=False,
        random_state=SEED,
    )
    chances = model.fit(known.to_numpy(), target).predict_proba(asked.to_numpy())
    return dict(zip(map(int, model.classes_), chances.T, strict=True))
