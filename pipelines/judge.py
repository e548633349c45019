"""Great Expectations as the judge: checks in, breaches and Data Docs out."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd
from great_expectations.checkpoint import UpdateDataDocsAction
from great_expectations.data_context.types.base import ProgressBarsConfig

from pipelines.checks import Check

SEVERITY = {"fail": "critical", "quarantine": "warning", "warn": "info"}


def judge(table: pd.DataFrame, checks: Sequence[Check], name: str, docs: Path) -> pd.DataFrame:
    """Judge a table of images, and write Data Docs.

    Args:
        table: one row per image, with `image_id` and the columns of the checks.
        name: of the suite, as Data Docs show it.
        docs: folder to write Data Docs to; `index.html` is the page to open.
    Returns:
        One row per breach: `check`, `severity`, `image_id`, `value`.
    """
    with tempfile.TemporaryDirectory() as scratch:
        checkpoint = _checkpoint(checks, name, Path(scratch))
        result = checkpoint.run(batch_parameters={"dataframe": table})
        shutil.copytree(scratch, docs, dirs_exist_ok=True)
    judged = next(iter(result.run_results.values()))
    breaches = [breach for outcome in judged.results for breach in _breaches(outcome)]
    return pd.DataFrame(breaches, columns=["check", "severity", "image_id", "value"])


def _checkpoint(checks: Sequence[Check], name: str, docs: Path) -> gx.Checkpoint:
    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    context.delete_data_docs_site("local_site")
    context.add_data_docs_site("checks", _site(docs))
    batch = (
        context.data_sources.add_pandas("manifest")
        .add_dataframe_asset("images")
        .add_batch_definition_whole_dataframe("all")
    )
    suite = context.suites.add(gx.ExpectationSuite(name=name, expectations=[_expectation(c) for c in checks]))
    definition = context.validation_definitions.add(gx.ValidationDefinition(name=name, data=batch, suite=suite))
    return context.checkpoints.add(
        gx.Checkpoint(
            name=name,
            validation_definitions=[definition],
            actions=[UpdateDataDocsAction(name="docs", site_names=["checks"])],
            result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["image_id"]},
        )
    )


def _site(folder: Path) -> dict[str, object]:
    return {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)},
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
    }


def _expectation(check: Check) -> gxe.Expectation:
    about = {
        "column": check.column,
        "severity": SEVERITY[check.severity],
        "meta": {"check": check.name, "severity": check.severity},
    }
    if check.absent:
        return gxe.ExpectColumnValuesToBeNull(**about)
    if check.allowed is not None:
        return gxe.ExpectColumnValuesToBeInSet(value_set=list(check.allowed), **about)
    return gxe.ExpectColumnValuesToBeBetween(min_value=check.low, max_value=check.high, **about)


def _breaches(outcome: object) -> list[dict[str, object]]:
    config = outcome.expectation_config  # type: ignore[attr-defined]
    column = config.kwargs["column"]
    rows = outcome.result.get("unexpected_index_list") or []  # type: ignore[attr-defined]
    return [
        {**config.meta, "image_id": row["image_id"], "value": row[column]}  # meta: check and severity
        for row in rows
    ]
