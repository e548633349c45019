"""The model card that people read: what a model is for, what it reached, and where it must not be trusted."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipelines.card import Card
from pipelines.evaluation.figures_text import words
from pipelines.model_card.items import Item, Measured, Task, sections
from pipelines.model_card.tables import Metrics, table, with_interval
from pipelines.notice import NOTICE

CHECKLIST = "Checklist"
SUMMARY = ("auc", "sensitivity", "specificity", "accuracy")
TEMPLATE = "model_card.md.j2"


def model_card(card: Card, task: Task, measured: Measured) -> str:
    """The model card as Markdown: all items of `pipelines.model_card.items`, and what is open.

    Args:
        card: the card that travels with the model.
        task: what the recipe says, and what people state in it.
        measured: what the evaluation found.
    """
    items = sections(card, task, measured)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(TEMPLATE).render(
        card=card,
        notice=NOTICE,
        sections=items,
        verdict=measured.gates,
        summary=_summary(measured.figures),
        open=[item.name for found in items.values() for item in found if item.open],
        count=sum(map(len, items.values())),
        hashes=_hashes(card, measured.figures),
        checklist=_checklist(items),
    )


def _summary(metrics: Metrics) -> list[str]:
    """The main figures of each split, in a line each."""
    told = {split: [name for name in SUMMARY if values.get(name) is not None] for split, values in metrics.items()}
    return [
        f"On {split}: {', '.join(f'{words(name)} {with_interval(metrics[split], name)}' for name in names)}."
        for split, names in told.items()
        if names
    ]


def _hashes(card: Card, metrics: Metrics) -> str:
    """SHA-256 of the model and of the images behind it."""
    rows = [["model.onnx", f"`{card.sha256}`"]]
    for split, facts in card.facts.get("data", {}).items():
        if "sha256" in facts:
            rows.append([f"prepared images of {split}", f"`{facts['sha256']}`"])
    for split, values in metrics.items():
        if values.get("images_sha256"):
            rows.append([f"set of images of {split}", f"`{values['images_sha256']}`"])
    return table(["what", "SHA-256"], rows)


def _checklist(items: Mapping[str, Sequence[Item]]) -> str:
    """Which guideline asks for what, where it stands, and whether it is filled."""
    rows = [
        [item.name, item.asked or "-", f"[{heading}](#{_anchor(heading)})", "**open**" if item.open else "filled"]
        for heading, found in items.items()
        for item in found
    ]
    return table(["item", "asked for by", "section", ""], rows)


def _anchor(heading: str) -> str:
    """The link to a heading, as GitHub and most readers of Markdown make it."""
    return heading.lower().replace(",", "").replace(" ", "-")
