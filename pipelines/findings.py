"""What validation found: as sentences, as JSON, and as a page with the films that were put aside."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from PIL import Image

from pipelines.checks import Check
from pipelines.errors import FilmgateError, ImageError
from pipelines.images import to_eight_bit
from pipelines.manifest import SPLITS
from pipelines.page import jpeg, rendered
from pipelines.pictures import Place, open_picture

TEMPLATE = "findings.html.j2"
SHOWN, TILE = 48, 150


@dataclass(frozen=True)
class Findings:
    """The judgement on one data set.

    Args:
        images: the manifest.
        checks: all that were made.
        by_image, by_set: breaches of single images (`image_id`) and of the set (`subject`), with `reason`.
        quarantine: images to put aside.
        fault: why the run must stop, or None.
    """

    recipe: str
    images: pd.DataFrame
    checks: list[Check]
    by_image: pd.DataFrame
    by_set: pd.DataFrame
    quarantine: pd.DataFrame
    fault: FilmgateError | None

    def as_json(self) -> dict[str, object]:
        """`validation.json`: the verdict, and each check with its breaches."""
        return {
            "passed": self.fault is None,
            "fault": str(self.fault) if self.fault else None,
            "images": len(self.images),
            "put_aside": len(self.quarantine),
            "checks": self.table(),
        }

    def table(self) -> list[dict[str, object]]:
        """One row per check: name, severity, number of breaches and the first of them."""
        return [self._row(check) for check in self.checks]

    def summary(self) -> str:
        """Some lines for the terminal: what was checked and what was found."""
        lines = [f"{len(self.images)} images checked, {len(self.quarantine)} put aside"]
        found = [row for row in self.table() if row["breaches"]]
        lines += [f"  {row['severity']:<10} {row['check']}: {row['breaches']}, e.g. {row['first']}" for row in found]
        return "\n".join(lines)

    def _row(self, check: Check) -> dict[str, object]:
        rows = self.by_image[self.by_image["check"] == check.name]
        found = [f"{row.image_id}: {row.reason}" for row in rows.head(1).itertuples()]
        rows_of_set = self.by_set[self.by_set["check"] == check.name]
        found += [f"{row.subject}: {row.reason}" for row in rows_of_set.head(1).itertuples()]
        return {
            "check": check.name,
            "severity": check.severity,
            "breaches": len(rows) + len(rows_of_set),
            "first": found[0] if found else None,
        }


def write_page(file: Path, findings: Findings, raw: Path, docs: dict[str, str]) -> None:
    """Write `index.html`: the verdict, every check, and the first images that were put aside, each with its reason.

    Args:
        raw: the raw data set, from which those images are read once more.
        docs: pages of Data Docs by the name of their suite.
    """
    counts = pd.crosstab(findings.images["split"].fillna("none"), findings.images["label"].fillna("none"))
    counts = counts.reindex([name for name in (*SPLITS, "none") if name in counts.index])
    aside = findings.images.merge(findings.quarantine, on="image_id", suffixes=("_read", ""))
    facts = {
        "findings": findings,
        "docs": docs,
        "counts": counts,
        "patients": len(findings.images.drop_duplicates(["site", "patient_id"])),
        "aside": [_tile(raw, row) for _, row in aside.head(SHOWN).iterrows()],
        "of_set": findings.by_set.to_dict("records"),
    }
    file.write_text(rendered(TEMPLATE, facts), encoding="utf-8")


def _tile(raw: Path, row: pd.Series) -> dict[str, object]:
    place = Place(row["path"], row["form"], row["index"])
    try:
        picture: Image.Image | None = open_picture(raw, place, TILE).picture
    except (ImageError, OSError):
        picture = None
    return {
        "name": row["image_id"],
        "check": row["check"],
        "reason": row["reason"],
        "label": row["label"],
        "picture": _inline(picture) if picture else None,
    }


def _inline(picture: Image.Image) -> str:
    small = to_eight_bit(picture).convert("RGB")
    small.thumbnail((TILE, TILE))
    return jpeg(small, quality=85)
