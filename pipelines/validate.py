"""Stage 2: judge the manifest, put images aside with their reasons, and stop where a test would be worthless."""

import json
from pathlib import Path

import pandas as pd

from pipelines.checks import Check, checks_of, empty_classes, judged_table
from pipelines.errors import DataError, FilmgateError, LeakError
from pipelines.judge import judge
from pipelines.manifest import read_manifest
from pipelines.recipe import ChecksParams, LabelParams
from pipelines.shortcuts import audit
from pipelines.stage import command, fresh_folder, replace_folder

LEAKS = {"patient in one split": "patient", "picture in one split": "picture"}


def run(manifest: Path, checked: Path, labels: LabelParams, checks: ChecksParams) -> None:
    """Judge every image; write `validation.json`, `quarantine.csv`, `shortcuts.json` and Data Docs.

    Where the run must stop, the same files go to `<checked>.failed`, and the last good ones stay.
    """
    images = read_manifest(manifest)
    rules = checks_of(checks, labels)
    failed = checked.with_name(checked.name + ".failed")
    with fresh_folder(failed) as folder:
        breaches = judge(judged_table(images), rules, manifest.parent.name, folder / "docs")
        quarantine = quarantined(breaches, rules)
        learned = images[images["split"].isin(["train", "val"]) & ~images["image_id"].isin(quarantine["image_id"])]
        shortcuts = audit(learned, labels.names[labels.positive_index])
        quarantine.to_csv(folder / "quarantine.csv", index=False)
        _write(folder / "shortcuts.json", {"limit": checks.shortcut_auc, "auc": shortcuts})
        fault = fault_of(images, breaches, quarantine, labels, checks)
        _write(folder / "validation.json", _summary(images, rules, breaches, fault))
    _print_summary(images, breaches, quarantine, shortcuts, checks)
    if fault:
        raise type(fault)(f"{fault} See {failed}/index.html.")
    replace_folder(failed, checked)


def quarantined(breaches: pd.DataFrame, rules: list[Check]) -> pd.DataFrame:
    """Images to put aside, one row each: `image_id`, `check`, `reason`; the first reason found is kept."""
    reasons = {rule.name: rule.reason for rule in rules}
    aside = breaches[breaches["severity"] == "quarantine"].copy()
    aside["reason"] = [
        reasons[check].format(value=value) for check, value in zip(aside["check"], aside["value"], strict=True)
    ]
    return aside.drop_duplicates("image_id")[["image_id", "check", "reason"]].sort_values("image_id")


def fault_of(
    images: pd.DataFrame,
    breaches: pd.DataFrame,
    quarantine: pd.DataFrame,
    labels: LabelParams,
    checks: ChecksParams,
) -> FilmgateError | None:
    """Why the run must stop, or None."""
    failed = breaches[breaches["severity"] == "fail"]
    for check, subject in LEAKS.items():
        if len(rows := failed[failed["check"] == check]):
            return _leak(images, rows, subject)
    if len(failed):
        first = failed.iloc[0]
        return DataError(
            f"{len(failed)} images break the check {first['check']!r}, e.g. {first['image_id']} "
            f"with {first['value']!r}. Correct the data, or the recipe."
        )
    if len(quarantine) > (most := checks.quarantine_share * len(images)):
        first = quarantine.iloc[0]
        return DataError(
            f"{len(quarantine)} of {len(images)} images had to be put aside, e.g. {first['image_id']}: "
            f"{first['reason']} Expected at most {most:.0f}: mend the files, or raise checks.quarantine_share."
        )
    usable = images[~images["image_id"].isin(quarantine["image_id"])]
    if empty := empty_classes(usable, labels.names):
        return DataError(f"{empty[0]}. Every split needs images of every class: add some, or change split.")
    return None


def _leak(images: pd.DataFrame, rows: pd.DataFrame, subject: str) -> LeakError:
    key = "patient_id" if subject == "patient" else "sha256"
    leaked = images[images["image_id"].isin(rows["image_id"])]
    example = leaked[key].iloc[0]
    splits = " and ".join(sorted(leaked.loc[leaked[key] == example, "split"].unique()))
    shown = f"patient {example!r}" if subject == "patient" else f"the picture {leaked['image_id'].iloc[0]!r}"
    count = leaked[key].nunique()
    return LeakError(
        f"{count} {subject}{'s are' if count > 1 else ' is'} in more than one split, e.g. {shown} in {splits}. "
        f"A {subject} belongs to one split: correct the data."
    )


def _summary(
    images: pd.DataFrame, rules: list[Check], breaches: pd.DataFrame, fault: FilmgateError | None
) -> dict[str, object]:
    counts = breaches.groupby("check").size()
    return {
        "passed": fault is None,
        "fault": str(fault) if fault else None,
        "images": len(images),
        "checks": [
            {"check": rule.name, "severity": rule.severity, "breaches": int(counts.get(rule.name, 0))} for rule in rules
        ],
    }


def _write(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _print_summary(
    images: pd.DataFrame,
    breaches: pd.DataFrame,
    quarantine: pd.DataFrame,
    shortcuts: dict[str, float],
    checks: ChecksParams,
) -> None:
    print(f"{len(images)} images checked, {len(quarantine)} put aside")
    for check, rows in breaches.groupby("check"):
        print(f"  {check}: {len(rows)} ({rows['severity'].iloc[0]})")
    name, auc = next(iter(shortcuts.items()))
    verdict = "warning: a shortcut" if auc > checks.shortcut_auc else "no shortcut"
    print(f"best guess of the label from one property: {name}, AUC {auc:.3f} ({verdict})")


if __name__ == "__main__":
    command(run)
