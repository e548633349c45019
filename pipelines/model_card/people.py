"""Whose images were measured: patients, sex, age and view of each split, and of how many images these are not known."""

from typing import Any

import pandas as pd

KNOWN = ("view", "sex", "age")


def people(table: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """What the table of predictions tells of the patients of each split.

    Args:
        table: of predictions, with `split`, `patient_id`, `site`, `view`, `sex` and `age`.
    Returns:
        By split: `images`, `patients`, `sex` and `view` (images of each value), `age` (lower quartile, median and upper
        quartile in years, over images; None where no age is known), and `missing` (images without view, sex, age).
    """
    return {str(split): _split(part) for split, part in table.groupby("split", sort=False)}


def _split(table: pd.DataFrame) -> dict[str, Any]:
    ages = table["age"].dropna().astype(float)
    return {
        "images": len(table),
        "patients": len(table[["site", "patient_id"]].drop_duplicates()),
        "sex": _counts(table["sex"]),
        "view": _counts(table["view"]),
        "age": [float(age) for age in ages.quantile([0.25, 0.5, 0.75])] if len(ages) else None,
        "missing": {name: int(table[name].isna().sum()) for name in KNOWN},
    }


def _counts(column: pd.Series) -> dict[str, int]:
    return {str(value): int(count) for value, count in column.value_counts().sort_index().items()}
