"""A recipe's network beside LeNet-5, AlexNet and VGG, trained on the same images for as long, as a page.

    python -m pipelines.compare --recipe mnist --images 6000 --epochs 2

Reads training and validation images, never test. What was measured is kept, so that a broken run goes on with the next.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from pipelines.architecture.contest import Contest, measured
from pipelines.errors import RecipeError
from pipelines.intervals import wilson
from pipelines.page import png, rendered
from pipelines.plot_style import INK, SOFT, as_png, styled
from pipelines.recipe_file import Entrant, load, load_entrants
from pipelines.sentences import in_one_sentence
from pipelines.stage import fresh_file

PAGES = Path(".filmgate/architecture")
CLASSICS = Path(__file__).parent / "architecture" / "classics.yaml"
OWN, ALL = "own", "lenet-5,alexnet,vgg16,vgg19,own"
SMALLEST_DOT, PARAMETERS_A_POINT = 18.0, 1e5  # area of a dot in square points


def compare(root: Path, name: str, models: Sequence[str], images: int, epochs: int) -> Path:
    """Train and measure each model, and write the page, anew after each.

    Args:
        root: the project.
        name: of the recipe, whose data are prepared.
        models: names in classics.yaml; `own` is the recipe's.
        images: training images of each, at most.
        epochs: of each.
    Returns:
        The page, `.filmgate/architecture/<name>-compared.html`; beside it a CSV file.
    Raises:
        FilmgateError: a name is not known, data are not prepared, or an image is too small for a network.
    """
    recipe = load(root / "recipes" / f"{name}.yaml")
    entrants = {**load_entrants(CLASSICS), OWN: Entrant(model=recipe.model, learning_rate=None)}
    if unknown := [model for model in models if model not in entrants]:
        raise RecipeError(f"There is no model {unknown[0]!r} to compare. Choose from: {', '.join(entrants)}.")
    contest = Contest(root / "data" / name / "prepared", recipe, images, epochs)
    page = root / PAGES / f"{name}-compared.html"
    rows: list[dict[str, Any]] = []
    for model in dict.fromkeys(models):
        row = measured(contest, entrants[model], root / PAGES / f"{name}-measured")
        rows.append({"model": row.pop("name"), "own": model == OWN, **row})
        print(f"{model}: {in_words(rows[-1])}", flush=True)
        _write(page, name, contest, rows)
    return page


def in_words(row: dict[str, Any]) -> str:
    """What was measured of a network, in one line."""
    return (
        f"accuracy {row['accuracy']:.4f}, AUC {row['auc']:.4f}, depth {row['depth']}, "
        f"{row['parameters']:,} parameters, {row['multiply_adds']:,} multiply-adds, "
        f"training {row['training_rate']:,.0f} images/s, one image {row['milliseconds']:.2f} ms, "
        f"in batches {row['batch_rate']:,.0f} images/s"
    )


def chart(rows: Sequence[dict[str, Any]]) -> Figure:
    """Validation accuracy, with its 95 % interval, against multiply-adds; a dot is the larger the more parameters.

    The recipe's own network is filled. Names stand to the left of their dots, the last one to the right.
    """
    by_work = sorted(rows, key=lambda row: row["multiply_adds"])
    with styled():
        figure = Figure(figsize=(9, 4.6), layout="constrained")
        axis = figure.subplots()
        for row in by_work:
            low, high = wilson(row["right"], row["checked"]) or (0.0, 1.0)
            work, area = row["multiply_adds"], SMALLEST_DOT + row["parameters"] / PARAMETERS_A_POINT
            axis.plot([work, work], [low, high], color=SOFT, linewidth=1.4, zorder=2)
            axis.scatter(
                work, row["accuracy"], s=area, facecolor=INK if row["own"] else "white", edgecolor=INK, zorder=3
            )
            last, away = row is by_work[-1], 4 + area**0.5 / 2
            axis.annotate(
                row["model"],
                (work, row["accuracy"]),
                (away if last else -away, 0),
                textcoords="offset points",
                ha="left" if last else "right",
                va="center",
                fontweight="bold" if row["own"] else "normal",
            )
        axis.set_xscale("log")
        axis.margins(x=0.12, y=0.16)
        axis.set_xlabel("Multiply-adds an image")
        axis.set_ylabel("Accuracy on validation")
        return figure


def _write(page: Path, name: str, contest: Contest, rows: list[dict[str, Any]]) -> None:
    facts = {
        "recipe": name,
        "images": len(contest.learn.targets),
        "checked": len(contest.check.targets),
        "epochs": contest.epochs,
        "seed": contest.recipe.train.seed,
        "cores": os.cpu_count(),
        "classes": len(contest.recipe.labels.names),
        "chart": png(as_png(chart(rows))),
        "rows": rows,
    }
    with fresh_file(page) as beside:
        beside.write_text(rendered("architecture/compared.html.j2", facts), encoding="utf-8")
    with fresh_file(page.with_suffix(".csv")) as beside:
        pd.DataFrame(rows).to_csv(beside, index=False)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare from the command line; the exit status is 1 when that cannot be done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", required=True, help="a name in params.yaml, its data prepared")
    parser.add_argument("--models", default=ALL, help="with commas between; own is the recipe's")
    parser.add_argument("--images", type=int, default=6000, help="training images of each")
    parser.add_argument("--epochs", type=int, default=2, help="of each")
    chosen = parser.parse_args(arguments)
    with in_one_sentence():
        page = compare(Path(), chosen.recipe, _names(chosen.models), chosen.images, chosen.epochs)
    print(f"\n  page    {page}\n  table   {page.with_suffix('.csv')}")


if __name__ == "__main__":
    main()
