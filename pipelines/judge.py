"""Great Expectations as the judge: checks in, breaches and Data Docs out."""

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd
from great_expectations.data_context.types.base import ProgressBarsConfig

from pipelines.checks import Check

STYLE = Path(__file__).with_suffix(".css")
FROM_THE_WEB = re.compile(
    r'<link[^>]+href="https?://[^>]*>|<img[^>]+src="https?://[^>]*>|<script[^>]+src="https?://[^>]*>\s*</script>'
)
SEVERITY = {"fail": "critical", "quarantine": "warning", "warn": "info"}


class Judge:
    """Judges tables against checks, and keeps the record for Data Docs."""

    def __init__(self, name: str, scratch: Path) -> None:
        """Begin a record.

        Args:
            name: of what is judged, as Data Docs show it.
            scratch: an empty folder in which they are built.
        """
        self._name = name
        self._docs = scratch / "docs"
        self._context = gx.get_context(mode="ephemeral")
        self._context.enable_analytics(False)
        self._context.variables.progress_bars = ProgressBarsConfig(globally=False)
        self._context.delete_data_docs_site("local_site")
        self._context.add_data_docs_site("checks", _site(self._docs))
        self._source = self._context.data_sources.add_pandas("manifest")

    def breaches(self, name: str, table: pd.DataFrame, key: str, checks: Sequence[Check]) -> pd.DataFrame:
        """Where a table breaks its checks.

        Args:
            name: of the suite.
            table: one row per subject, with the columns of the checks.
            key: the column that names the subject.
        Returns:
            One row per breach: `check`, `severity`, the key, `value` and `reason`.
        """
        batch = self._source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("all")
        suite = self._context.suites.add(gx.ExpectationSuite(name=name, expectations=[_expectation(c) for c in checks]))
        definition = self._context.validation_definitions.add(
            gx.ValidationDefinition(name=name, data=batch, suite=suite)
        )
        result_format = {"result_format": "COMPLETE", "unexpected_index_column_names": [key]}
        checkpoint = gx.Checkpoint(name=name, validation_definitions=[definition], result_format=result_format)
        columns = {check.name: table[check.column] for check in checks}  # Data Docs have one section for each column
        judged_table = pd.DataFrame({key: table[key], **columns})
        run = gx.RunIdentifier(run_name=self._name)
        result = self._context.checkpoints.add(checkpoint).run({"dataframe": judged_table}, run_id=run)
        reasons = {check.name: check.reason for check in checks}
        judged = next(iter(result.run_results.values()))
        found = [breach for outcome in judged.results for breach in _breaches(outcome, key, reasons)]
        return pd.DataFrame(found, columns=["check", "severity", key, "value", "reason"])

    def write_docs(self, folder: Path) -> dict[str, str]:
        """Make a folder with Data Docs of all that was judged.

        Returns:
            For each suite the page with its result, relative to where the folder lies.
        """
        self._context.build_data_docs(site_names=["checks"])
        shutil.copytree(self._docs, folder)
        _readable_offline(folder)
        pages = {
            page.relative_to(folder / "validations").parts[0]: page for page in folder.glob("validations/**/*.html")
        }
        return {name: page.relative_to(folder.parent).as_posix() for name, page in pages.items()}


def _readable_offline(docs: Path) -> None:
    """Give the pages a style of their own in place of what they would fetch from the web."""
    style = f"<head><style>{STYLE.read_text(encoding='utf-8')}</style>"
    for page in docs.rglob("*.html"):
        text = FROM_THE_WEB.sub("", page.read_text(encoding="utf-8"))
        page.write_text(text.replace("<head>", style, 1), "utf-8")


def _site(folder: Path) -> dict[str, object]:
    return {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)},
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
    }


def _expectation(check: Check) -> gxe.Expectation:
    about = {
        "column": check.name,
        "severity": SEVERITY[check.severity],
        "description": f"{check.name} ({check.severity})",
        "meta": {"check": check.name, "severity": check.severity},
    }
    if check.absent:
        return gxe.ExpectColumnValuesToBeNull(**about)
    if check.allowed is not None:
        return gxe.ExpectColumnValuesToBeInSet(value_set=list(check.allowed), **about)
    return gxe.ExpectColumnValuesToBeBetween(min_value=check.low, max_value=check.high, **about)


def _breaches(outcome: Any, key: str, reasons: Mapping[str, str]) -> list[dict[str, object]]:
    """Rows that break one expectation; its meta has the check and its severity."""
    config = outcome.expectation_config
    column, reason = config.kwargs["column"], reasons[config.meta["check"]]
    rows = outcome.result.get("unexpected_index_list") or []
    return [
        {**config.meta, key: row[key], "value": row[column], "reason": reason.format(value=row[column])} for row in rows
    ]
