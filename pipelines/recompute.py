"""Compute the whole record of an evaluation again from `probabilities.parquet`, and hold it against what was written.

python -m pipelines.recompute --evaluation data/demo/evaluation
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.errors import DataError
from pipelines.evaluation.figures_text import as_text
from pipelines.evaluation.files import as_json
from pipelines.evaluation.predictions import read_record
from pipelines.evaluation.record import Record, Terms, record
from pipelines.sentences import in_one_sentence


def recompute(evaluation: Path) -> Record:
    """The record, from the table of predictions and the terms that it carries.

    Raises:
        DataError: the table is missing or damaged, or a file of the record says something else.
    """
    table, terms = read_record(evaluation / "probabilities.parquet")
    found = record(table, Terms.model_validate_json(json.dumps(terms)))
    for name, content in found.files().items():
        _hold_against(evaluation / name, content)
    return found


def differences(written: Any, computed: Any, place: str = "") -> Iterator[str]:
    """Where two JSON values differ, as dotted keys."""
    if isinstance(written, Mapping) and isinstance(computed, Mapping):
        for key in [*written, *(key for key in computed if key not in written)]:
            yield from differences(written.get(key), computed.get(key), f"{place}.{key}" if place else str(key))
    elif isinstance(written, list) and isinstance(computed, list) and len(written) == len(computed):
        for number, pair in enumerate(zip(written, computed, strict=True)):
            yield from differences(*pair, f"{place}.{number}")
    elif written != computed:
        yield f"{place} ({written!r} written, {computed!r} computed)"


def _hold_against(path: Path, content: Mapping[str, Any]) -> None:
    try:
        text = path.read_text(encoding="utf-8")
        written = json.loads(text)
    except FileNotFoundError:
        raise DataError(f"There is no {path}. Run the evaluate stage again.") from None
    except ValueError as error:
        raise DataError(f"{path} is not JSON ({error}). Run the evaluate stage again.") from None
    if text != as_json(content):
        places = list(differences(written, json.loads(as_json(content))))
        first = "; ".join(places[:3]) or "its layout alone"
        raise DataError(
            f"{path} differs from what probabilities.parquet gives in {len(places)} places: {first}. "
            "It was changed by hand, or computed by another version: run the evaluate stage again."
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Recompute from the command line; the exit status is 1 where anything differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evaluation", type=Path, required=True, help="folder of an evaluation")
    folder = parser.parse_args(arguments).evaluation
    with in_one_sentence():
        found = recompute(folder)
    print(as_text(found.metrics, found.gates))
    print(f"{', '.join(found.files())}: equal to the last digit.")


if __name__ == "__main__":
    main()
