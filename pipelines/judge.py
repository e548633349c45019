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

OFFLINE_STYLE = """<style>
body { font-family: system-ui, sans-serif; margin: 1.5rem auto; max-width: 60rem; line-height: 1.45 }
table { border-collapse: collapse; margin: .4rem 0 1rem } td, th { padding: .3rem .8rem; text-align: left }
tr { border-bottom: 1px solid #ddd } img[alt="Great Expectations"], footer, .ge-cta-footer { display: none }
</style>"""
SEVERITY = {"fail": "critical", "quarantine": "warning", "warn": "info"}


def judge(table: pd.DataFrame, checks: Sequence[Check], name: str, docs: Path) -> pd.DataFrame:
    """Judge a table of images, and write Data Docs.

    Args:
        table: one row per image, with `image_id` and the columns of the checks.
        name: of the suite, as Data Docs show it.
        docs: folder to make, for Data Docs; a page `index.html` beside it leads to the result.
    Returns:
        One row per breach: `check`, `severity`, `image_id`, `value`.
    """
    with tempfile.TemporaryDirectory() as scratch:
        site = Path(scratch, "docs")
        result = _checkpoint(checks, name, site).run(batch_parameters={"dataframe": table})
        shutil.copytree(site, docs)
    _readable_offline(docs)
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


def _readable_offline(docs: Path) -> None:
    """Give the pages a plain style for where their own, from the web, cannot be had; and lead to the result."""
    for page in docs.rglob("*.html"):
        page.write_text(page.read_text(encoding="utf-8").replace("<head>", f"<head>{OFFLINE_STYLE}", 1), "utf-8")
    result = next((docs / "validations").rglob("*.html")).relative_to(docs.parent).as_posix()
    lead = f'<meta http-equiv="refresh" content="0; url={result}"><a href="{result}">Data Docs</a>'
    (docs.parent / "index.html").write_text(lead, encoding="utf-8")


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
        "description": f"{check.name} ({check.severity})",
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
