"""The last words of a run: what came out, where it lies, and what to do next."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipelines.evaluation.figures_text import interval, notes, share


def summary(root: Path, recipe: str, overrides: Sequence[str], version: str | None = None) -> str:
    """Figures, files and next commands of a run that ended well.

    Args:
        root: where the run worked: the project, or a workspace.
        overrides: of the run.
        version: under which its release is registered, such as v1.0.0; None where it is not.
    """
    data = root / "data" / recipe
    release = json.loads((data / "release" / "release.json").read_text(encoding="utf-8"))
    lines = ["", f"{recipe}: version {release['version']} passed its gates and is released."]
    lines += [_figures(split, found) for split, found in release["metrics"].items()]
    gates = json.loads((data / "evaluation" / "gates.json").read_text(encoding="utf-8"))
    lines += [f"  note     {sentence}" for sentence in notes(release["metrics"], gates)]
    lines += ["", f"  report   {_shown(data / 'evaluation' / 'report.html')}"]
    lines += [f"  bento    {_shown(data / 'release' / release['bento'])}"]
    lines += [f"  card     {_shown(data / 'release' / 'MODEL_CARD.md')}", ""]
    return "\n".join([*lines, *(_registered(recipe, overrides, version) if version else _next_commands(recipe))])


def _figures(split: str, found: dict[str, Any]) -> str:
    cells = [
        f"{name} {share(found[name])} ({interval(found, name)})"
        for name in ("auc", "sensitivity", "specificity", "accuracy")
        if found.get(name) is not None and interval(found, name)
    ]
    return f"  {split:<9}n {found['n']:<6}" + "  ".join(cells)


def _registered(recipe: str, overrides: Sequence[str], version: str) -> list[str]:
    lines = [f"  python -m flows.deploy promote --recipe {recipe} --version {version}"]
    if overrides:
        lines += [
            f"To keep the numbers, write {', '.join(overrides)} into recipes/{recipe}.yaml and run again: "
            "nothing is computed twice."
        ]
    return lines


def _next_commands(recipe: str) -> list[str]:
    chosen = "" if recipe == "demo" else f" RECIPE={recipe}"
    column = len(f"make report{chosen}") + 6
    return [
        f"  {f'make report{chosen}':<{column}}open the report",
        f"  {f'make serve{chosen}':<{column}}serve the bento on http://127.0.0.1:3000",
        f"  {f'make app{chosen}':<{column}}the web page, in a second terminal",
        f"  python -m flows.deploy promote --recipe {recipe}",
        f"  python -m flows.retrain --recipe {recipe} --set train.epochs=7",
    ]


def _shown(path: Path) -> str:
    return os.path.relpath(path)
