"""The last words of a run: what came out, where it lies, and what to do next."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flows.workspace import folder_of
from pipelines.evaluation.figures_text import interval, notes, share


def summary(root: Path, recipe: str, overrides: Sequence[str]) -> str:
    """Figures, files and next commands of a run that ended well.

    Args:
        root: the project.
        overrides: of the run; their results lie in a workspace of their own.
    """
    data = (folder_of(root, recipe, overrides) if overrides else root) / "data" / recipe
    release = json.loads((data / "release" / "release.json").read_text(encoding="utf-8"))
    lines = ["", f"{recipe}: version {release['version']} passed its gates and is released."]
    lines += [_figures(split, found) for split, found in release["metrics"].items()]
    gates = json.loads((data / "evaluation" / "gates.json").read_text(encoding="utf-8"))
    lines += [f"  note     {sentence}" for sentence in notes(release["metrics"], gates)]
    lines += ["", f"  report   {_shown(data / 'evaluation' / 'report.html')}"]
    lines += [f"  bento    {_shown(data / 'release' / release['bento'])}"]
    lines += [f"  card     {_shown(data / 'release' / 'MODEL_CARD.md')}", ""]
    return "\n".join([*lines, *_next_commands(recipe, overrides)])


def _figures(split: str, found: dict[str, Any]) -> str:
    cells = [
        f"{name} {share(found[name])} ({interval(found, name)})"
        for name in ("auc", "sensitivity", "specificity", "accuracy")
        if found.get(name) is not None and interval(found, name)
    ]
    return f"  {split:<9}n {found['n']:<6}" + "  ".join(cells)


def _next_commands(recipe: str, overrides: Sequence[str]) -> list[str]:
    if overrides:
        return [
            f"To keep it, write {', '.join(overrides)} into recipes/{recipe}.yaml and run again: "
            "nothing is computed twice."
        ]
    chosen = "" if recipe == "demo" else f" RECIPE={recipe}"
    column = len(f"make report{chosen}") + 6
    return [
        f"  {f'make report{chosen}':<{column}}open the report",
        f"  {f'make serve{chosen}':<{column}}serve the bento on http://127.0.0.1:3000",
        f"  {f'make app{chosen}':<{column}}the web page, in a second terminal",
        f"  python -m flows.retrain --recipe {recipe} --set train.epochs=7",
    ]


def _shown(path: Path) -> str:
    return os.path.relpath(path)
