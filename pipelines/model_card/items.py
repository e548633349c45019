"""What a model card must tell, item by item: who asks for it, and what can be said.

The items are those of CLAIM 2024 (Tejani et al., 10.1148/ryai.240300), STARD-AI (2025, 10.1038/s41591-025-03953-8) and
TRIPOD+AI (Collins et al. 2024, 10.1136/bmj-2023-078378; with its numbers). Data, recipe and the model's own card answer
where they can; the rest only people can state, in the recipe's section `card`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.card import Card
from pipelines.evaluation.comparison import remarks
from pipelines.evaluation.comparison import words as outcome
from pipelines.evaluation.sentences import explained
from pipelines.model_card import tables, texts
from pipelines.recipe import AugmentParams, CardParams, SourceParams, SplitParams, TrainParams

UNSTATED = "nobody has stated this"
UNMEASURED = "this was not measured"


@dataclass(frozen=True)
class Task:
    """What the recipe says of data and training, and what people state."""

    source: SourceParams
    external: SourceParams | None
    split: SplitParams
    augment: AugmentParams
    train: TrainParams
    stated: CardParams


@dataclass(frozen=True)
class Measured:
    """What the evaluation found.

    Args:
        metrics: what metrics.json holds, by split.
        gates: what gates.json holds.
        comparison: what comparison.json holds; None where there is none.
        people: whose images were measured, by split (`pipelines.model_card.people.people`).
    """

    metrics: Mapping[str, Mapping[str, Any]]
    gates: Mapping[str, Any]
    comparison: Mapping[str, Any] | None
    people: Mapping[str, Mapping[str, Any]]

    @property
    def figures(self) -> dict[str, Mapping[str, Any]]:
        """The metrics of each split that has images."""
        return {split: values for split, values in self.metrics.items() if values and values.get("n")}


@dataclass(frozen=True)
class Item:
    """One thing that a card must tell.

    Args:
        asked: which guidelines ask for it; empty where this project alone does.
        text: Markdown; None or empty while it is open.
        lack: why it is open.
    """

    name: str
    asked: str
    text: str | None
    lack: str = UNSTATED

    @property
    def open(self) -> bool:
        """Whether nothing is said."""
        return not self.text


def sections(card: Card, task: Task, measured: Measured) -> dict[str, list[Item]]:
    """All items by the section that they stand in.

    Args:
        card: the card that travels with the model.
    """
    metrics = measured.figures
    return {
        "Intended use": _use(card, task.stated),
        "Data": [*_origin(task), *_images(card, task, measured, metrics)],
        "Model": [*_network(card, task), *_decision(card, metrics)],
        "Performance": _performance(card, measured, metrics),
        "What it had to prove": _gates(card, measured),
        "Limits, harms and fairness": _limits(card, task.stated, measured),
        "Ethics and responsibility": _responsibility(task.stated),
        "How to compute it again": [
            Item("Record", "CLAIM and STARD-AI: access to data and code; TRIPOD+AI 18f", texts.again(card))
        ],
    }


def _use(card: Card, stated: CardParams) -> list[Item]:
    return [
        Item("Task", "CLAIM and STARD-AI: objectives; TRIPOD+AI 4, 8a", texts.purpose(card)),
        Item(
            "Intended use", "CLAIM and STARD-AI: intended use and clinical role; TRIPOD+AI 3a, 3b", stated.intended_use
        ),
        Item("Intended users", "STARD-AI: intended use; TRIPOD+AI 3b", stated.intended_users),
    ]


def _origin(task: Task) -> list[Item]:
    stated = task.stated
    return [
        Item("Source", "CLAIM and STARD-AI: data sources; TRIPOD+AI 5a", texts.source(task.source, task.external)),
        Item("Population", "CLAIM and STARD-AI: participants; TRIPOD+AI 3b", stated.population),
        Item("Setting and dates", "CLAIM and STARD-AI: where and when; TRIPOD+AI 5b, 6a", stated.setting_and_dates),
        Item("Eligibility", "CLAIM and STARD-AI: inclusion and exclusion; TRIPOD+AI 6b", stated.eligibility),
        Item("Reference standard", "CLAIM and STARD-AI: reference standard; TRIPOD+AI 8a", stated.reference_standard),
        Item("Annotators", "CLAIM and STARD-AI: who annotated, how and how alike; TRIPOD+AI 8b", stated.annotators),
        Item("De-identification", "CLAIM: de-identification", stated.deidentification),
        Item("Sample size", "CLAIM and STARD-AI: intended sample size; TRIPOD+AI 10", stated.sample_size),
    ]


def _images(card: Card, task: Task, measured: Measured, metrics: tables.Metrics) -> list[Item]:
    people = measured.people
    return [
        Item(
            "Splits",
            "CLAIM: partitions, and the level at which they are disjoint; TRIPOD+AI 12a",
            texts.splits(task.split),
        ),
        Item(
            "Images",
            "CLAIM and STARD-AI: flow of cases; TRIPOD+AI 20a, 21",
            f"{texts.FLOW}\n\n{tables.data(card, people, metrics)}",
        ),
        Item(
            "Characteristics",
            "CLAIM and STARD-AI: demographic and clinical characteristics; TRIPOD+AI 20b",
            tables.characteristics(people),
            "sex, age and view are not known of any image",
        ),
        Item("Missing data", "CLAIM and STARD-AI: missing data; TRIPOD+AI 11", texts.missing(people)),
        Item("Preprocessing", "CLAIM and STARD-AI: preprocessing; TRIPOD+AI 7", texts.preprocessing(card)),
    ]


def _network(card: Card, task: Task) -> list[Item]:
    facts = card.facts
    return [
        Item(
            "Input and output", "CLAIM and STARD-AI: the model, its input and output; TRIPOD+AI 15", texts.output(card)
        ),
        Item("Architecture", "CLAIM: structure of the model; TRIPOD+AI 12c, 22", texts.architecture(facts)),
        Item(
            "Training",
            "CLAIM: training, augmentation included; TRIPOD+AI 12c",
            texts.training(task.augment, task.train),
        ),
        Item("Class imbalance", "TRIPOD+AI 13", texts.BALANCE[task.train.balance]),
        Item(
            "Choice of the final model",
            "CLAIM: how the final model was selected; TRIPOD+AI 12c",
            texts.chosen(card, task.train),
        ),
        Item("Software", "CLAIM: software and packages", texts.software(facts), UNMEASURED),
    ]


def _decision(card: Card, metrics: tables.Metrics) -> list[Item]:
    return [
        Item("Threshold", "CLAIM and STARD-AI: cut-off, and how it was chosen; TRIPOD+AI 15", texts.threshold(card)),
        Item("Images left to a person", "STARD-AI: indeterminate results", texts.referred(card, metrics), UNMEASURED),
        Item("Unusual images", "TRIPOD+AI 27a: input of poor quality", texts.familiarity(card)),
    ]


def _performance(card: Card, measured: Measured, metrics: tables.Metrics) -> list[Item]:
    found = measured.comparison
    sentences = [outcome(found), *remarks(found), tables.compared(found)] if found else []
    return [
        Item(
            "Figures",
            "CLAIM and STARD-AI: performance with its uncertainty; TRIPOD+AI 12e, 23a",
            texts.joined(texts.counted(card), tables.figures(metrics)) if metrics else None,
            UNMEASURED,
        ),
        Item("Testing on external data", "CLAIM: testing on external data; TRIPOD+AI 16, 20c", texts.external(metrics)),
        *_by_prevalence(card, metrics),
        Item(
            "Subgroups",
            "STARD-AI: subgroups; TRIPOD+AI 14, 23a",
            _by_group(metrics),
            "no property that could divide the images is known",
        ),
        Item("Calibration", "TRIPOD+AI 12e, 23a: calibration", texts.calibration(card, metrics), UNMEASURED),
        Item(
            "Explanation",
            "CLAIM: explainability, and how it was checked",
            texts.joined(*explained(card, metrics), tables.heat(metrics)),
            UNMEASURED,
        ),
        Item("Failures", "CLAIM: analysis of failures", texts.FAILURES),
        Item("Comparison with the model in production", "", texts.joined(*sentences), "there was no comparison"),
    ]


def _by_group(metrics: tables.Metrics) -> str:
    found = tables.subgroups(metrics)
    return texts.joined(texts.worst(metrics), found, texts.FEW if "(few)" in found else "")


def _by_prevalence(card: Card, metrics: tables.Metrics) -> list[Item]:
    if card.labels.positive is None:
        return []
    found = tables.predictive_values(metrics)
    return [Item("Predictive values", "", texts.joined(texts.PREVALENCE, found) if found else None, UNMEASURED)]


def _gates(card: Card, measured: Measured) -> list[Item]:
    gates, rules = measured.gates, measured.gates["rules"]["sha256"]
    loosened = [f"**Asked less than of the model in production.** {said}" for said in gates.get("loosened", ())]
    protocol = f"Gates, threshold rule and margin are those of `recipes/{card.recipe}.yaml`, whose history git keeps."
    return [
        Item("Gates", "", texts.joined(gates["reason"], *loosened, tables.gates(gates["gates"]))),
        Item(
            "Protocol",
            "CLAIM and STARD-AI: study protocol; TRIPOD+AI 18c",
            f"{protocol} Their SHA-256: `{rules}`.",
        ),
    ]


def _limits(card: Card, stated: CardParams, measured: Measured) -> list[Item]:
    return [
        Item(
            "Limits",
            "CLAIM and STARD-AI: limitations; TRIPOD+AI 26",
            texts.limits(card, measured.figures, measured.gates["gates"]),
        ),
        Item("Known harms", "STARD-AI: adverse events and harms", stated.known_harms),
        Item("Fairness", "STARD-AI: fairness; TRIPOD+AI 3c, 14, 25", stated.fairness),
    ]


def _responsibility(stated: CardParams) -> list[Item]:
    return [
        Item("Ethical approval", "CLAIM and STARD-AI: ethics; TRIPOD+AI 17", stated.ethics),
        Item("Registration", "CLAIM and STARD-AI: registration; TRIPOD+AI 18d", stated.registration),
        Item("Funding", "CLAIM and STARD-AI: funding; TRIPOD+AI 18a", stated.funding),
        Item("Interests", "STARD-AI: conflicts of interest; TRIPOD+AI 18b", stated.interests),
        Item("Involvement of patients and public", "TRIPOD+AI 19", stated.involvement),
        Item(
            "Availability of data, code and model",
            "CLAIM and STARD-AI: access to data and code; TRIPOD+AI 18e, 18f",
            stated.availability,
        ),
        Item("Contact", "", stated.contact),
    ]
