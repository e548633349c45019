"""Stage 2: judge the manifest, put images aside with their reasons, and stop where a test would be worthless."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

from pipelines.checks import checks_of_images, checks_of_set
from pipelines.drift import drift, profile_of
from pipelines.errors import DataError, FilmgateError, LeakError
from pipelines.facts import facts_of_images, facts_of_set
from pipelines.findings import Findings, write_page
from pipelines.judge import Judge
from pipelines.manifest import read_manifest
from pipelines.recipe import ImageParams, LabelParams, SplitParams
from pipelines.recipe_checks import ChecksParams
from pipelines.shortcuts import audit
from pipelines.stage import command, fresh_folder, replace_folder

TOGETHER = {"removed": "all that preprocessing removes", "left": "all that it leaves", "all": "everything together"}
READS = ("pipelines/findings.html.j2", "pipelines/judge.css")
LEAKS = {
    "patient across splits": ("patient", "patient_id"),
    "duplicate across splits": ("picture", "sha256"),
    "near duplicate across splits": ("picture", "twin"),
}


def run(
    raw: Path,
    manifest: Path,
    production: Path,
    checked: Path,
    recipe: str,
    labels: LabelParams,
    split: SplitParams,
    image: ImageParams,
    checks: ChecksParams,
) -> None:
    """Judge every image and the set as a whole.

    Writes `index.html` with what was found, `validation.json`, `quarantine.csv`, `shortcuts.json`, `profile.json` (the
    statistics of the training images) and Data Docs. Where the run must stop, the same files go to `<checked>.failed`,
    and the last good ones stay.
    """
    images = read_manifest(manifest)
    failed = checked.with_name(checked.name + ".failed")
    with fresh_folder(failed) as folder, tempfile.TemporaryDirectory() as scratch:
        judge = Judge(recipe, Path(scratch))
        rules, set_rules = checks_of_images(checks, labels), checks_of_set(checks)
        by_image = judge.breaches("images", facts_of_images(images), "image_id", rules)
        quarantine = quarantined(by_image)
        usable = images[images["fault"].isna() & ~images["image_id"].isin(quarantine["image_id"])]
        shortcuts = audited(usable, labels, image, checks)
        moved = drift(usable[usable["split"] == "train"], statistics_of(production / f"{recipe}.json"))
        facts = facts_of_set(usable, labels, split, moved, guesses(shortcuts))
        by_set = judge.breaches("set", facts, "subject", set_rules)
        fault = fault_of(images, by_image, by_set, quarantine, checks)
        findings = Findings(recipe, images, [*rules, *set_rules], by_image, by_set, quarantine, fault)
        _write_files(folder, findings, usable, shortcuts)
        write_page(folder / "index.html", findings, raw, judge.write_docs(folder / "docs"))
    print(findings.summary())
    if fault:
        raise type(fault)(f"{fault} See {failed}/index.html.")
    replace_folder(failed, checked)


def quarantined(breaches: pd.DataFrame) -> pd.DataFrame:
    """Images to put aside, one row each: `image_id`, `check` (the first that it broke), `reason` (all of them)."""
    aside = breaches[breaches["severity"] == "quarantine"]
    rows = aside.groupby("image_id").agg(check=("check", "first"), reason=("reason", " ".join))
    return rows.reset_index()[["image_id", "check", "reason"]]


def audited(usable: pd.DataFrame, labels: LabelParams, image: ImageParams, checks: ChecksParams) -> dict[str, Any]:
    """The shortcut audit of the images that a model may learn from, with the recipe's limit."""
    learned = usable[usable["split"].isin(["train", "val"]) & usable["label"].isin(labels.names)]
    rule = checks.shortcut
    return {"limit": rule.limit, "severity": rule.severity, **audit(learned, labels, image)}


def statistics_of(production: Path) -> dict[str, object]:
    """Profile of the data behind the model in production; empty, if there is none yet.

    Raises:
        DataError: the file is no profile.
    """
    if not production.is_file():
        return {}
    try:
        return dict(json.loads(production.read_text(encoding="utf-8"))["statistics"])
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{production} is no profile of training data. Restore it, or name a release again.") from None


def fault_of(
    images: pd.DataFrame, by_image: pd.DataFrame, by_set: pd.DataFrame, quarantine: pd.DataFrame, checks: ChecksParams
) -> FilmgateError | None:
    """Why the run must stop, or None."""
    failed = by_image[by_image["severity"] == "fail"]
    for check, (subject, key) in LEAKS.items():
        if len(rows := failed[failed["check"] == check]):
            return _leak(images, rows, check, subject, key)
    if len(failed):
        first = failed.iloc[0]
        count = (failed["check"] == first["check"]).sum()
        return DataError(
            f"{_counted(count, 'image')} failed the check {first['check']!r}, e.g. {first['image_id']}: "
            f"{first['reason']} Correct the data, or the recipe."
        )
    if len(quarantine) > (most := checks.quarantine_share * len(images)):
        first = quarantine.iloc[0]
        return DataError(
            f"{len(quarantine)} of {len(images)} images had to be put aside, e.g. {first['image_id']}: "
            f"{first['reason']} Expected at most {most:.0f}: mend the files, or raise checks.quarantine_share."
        )
    for row in by_set[by_set["severity"] == "fail"].to_dict("records"):
        return DataError(
            f"The set failed the check {row['check']!r} at {row['subject']}: {row['reason']} Mend the data."
        )
    return None


def guesses(shortcuts: dict[str, Any]) -> dict[str, float]:
    """AUC of guessing the label from each property and from several together, by what it is called in reports."""
    every = {f"guess from {entry['name']}": entry["auc"] for entry in shortcuts["properties"]}
    every |= {f"guess from {TOGETHER[kind]}": entry["auc"] for kind, entry in shortcuts["together"].items()}
    return {name: auc for name, auc in every.items() if auc is not None}


def _leak(images: pd.DataFrame, rows: pd.DataFrame, check: str, subject: str, key: str) -> LeakError:
    leaked = images[images["image_id"].isin(rows["image_id"])]
    example = leaked[key].iloc[0]
    splits = " and ".join(sorted(leaked.loc[leaked[key] == example, "split"].dropna().unique()))
    shown = f"patient {example!r}" if subject == "patient" else f"the picture {leaked['image_id'].iloc[0]!r}"
    count = leaked[key].nunique()
    return LeakError(
        f"{_counted(count, subject)} {'are' if count > 1 else 'is'} in more than one split ({check}), e.g. {shown} "
        f"in {splits}. A {subject} belongs to one split: correct the data."
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' if count != 1 else ''}"


def _write_files(folder: Path, findings: Findings, usable: pd.DataFrame, shortcuts: dict[str, Any]) -> None:
    training = usable[usable["split"] == "train"]
    findings.quarantine.to_csv(folder / "quarantine.csv", index=False)
    _write(folder / "shortcuts.json", shortcuts)
    _write(folder / "profile.json", {"images": len(training), "statistics": profile_of(training)})
    _write(folder / "validation.json", findings.as_json())


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    command(run)
