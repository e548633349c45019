"""Sections of a recipe on what a model must prove: operating point, gates, measures, and what people state of it."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipelines.section import Section

Metric = Literal[
    "auc",
    "average_precision",
    "accuracy",
    "top_2",
    "top_3",
    "sensitivity",
    "specificity",
    "precision",
    "recall",
    "npv",
    "f1",
    "brier",
    "ece",
    "pointing_game",
    "heat_inside",
    "heat_outside_body",
    "auc_difference",
    "accuracy_difference",
    "sensitivity_difference",
    "specificity_difference",
    "parity",
    "quantisation",
    "heat_randomised",
    "latency_ms",
    "size_mb",
]
OF_THE_MODEL = ("parity", "quantisation", "heat_randomised", "latency_ms", "size_mb")
LOWER_IS_BETTER = ("brier", "ece", "heat_outside_body", *OF_THE_MODEL)


class ThresholdParams(Section):
    """How the operating point is chosen on validation.

    rule: `sensitivity` takes the highest threshold that reaches `minimum`, `specificity` the lowest; `cost` the one
        with the lowest cost; `youden` maximises sensitivity + specificity - 1.
    minimum: what the rules sensitivity and specificity reach.
    miss_cost: false alarms that one missed positive film is worth; of the rule cost.
    confidence: with which minimum and refer_error hold for new patients of the same hospital; null: as observed.
    refer_error: outside the refer band at most this share of films is answered wrongly.
    temperature: whether probabilities are calibrated by temperature scaling before they leave the model.
    """

    rule: Literal["sensitivity", "specificity", "cost", "youden"]
    minimum: Annotated[float, Field(gt=0, lt=1)]
    miss_cost: Annotated[float, Field(gt=0)]
    confidence: Annotated[float, Field(ge=0.5, lt=1)] | None
    refer_error: Annotated[float, Field(ge=0, lt=1)]
    temperature: bool


class GateParams(Section):
    """One thing that must be proven before a release.

    split: `test` or `external`, whole or one subgroup of it, as `test sex=F`; `model` for figures of the file itself.
    bound: `point`, the figure as it was measured; or the end of its 95 % interval that is harder to pass, `low` for a
        minimum and `high` for a maximum.
    minimum, maximum: the one or the other; a maximum for figures of which less is better.
    """

    metric: Metric
    split: Annotated[str, Field(pattern=r"^(model|(test|external)( [a-z ]+=.+)?)$")]
    bound: Literal["point", "low", "high"]
    minimum: float | None = None
    maximum: float | None = None

    @model_validator(mode="after")
    def _sound(self) -> "GateParams":
        if (self.minimum is None) == (self.maximum is None):
            raise ValueError("needs either a minimum or a maximum")
        if (self.metric in LOWER_IS_BETTER) != (self.minimum is None):
            kind, other = ("lower", "maximum") if self.minimum is not None else ("higher", "minimum")
            raise ValueError(f"gates {self.metric}, of which {kind} is better: give a {other}")
        if self.bound == ("high" if self.maximum is None else "low"):
            raise ValueError("needs bound: low with a minimum, bound: high with a maximum, or bound: point")
        if (self.metric in OF_THE_MODEL) != (self.split == "model"):
            raise ValueError(
                f"gates {self.metric}: {', '.join(OF_THE_MODEL)} go with split: model, all others with images"
            )
        return self


class MeasureParams(Section):
    """How a model is measured, beyond what is always measured.

    prevalences: shares of positive films at which predictive values are stated; empty with more than two classes.
    margin: a figure may lie this far below that of the model in production and still count as not worse.
    masks: folder that stands beside the class folders and has, under a film's name as PNG, where its finding is, white
        on black; null where nobody drew any.
    body: whether an image shows one body on a dark ground, so that heat beside it can be counted.
    """

    prevalences: tuple[Annotated[float, Field(gt=0, lt=1)], ...]
    margin: Annotated[float, Field(gt=0, lt=1)]
    masks: str | None
    body: bool


class CardParams(Section):
    """What only people can state of a model and its data; null stays open, and the model card says so.

    The items are those of CLAIM 2024 (10.1148/ryai.240300), STARD-AI 2025 (10.1038/s41591-025-03953-8) and TRIPOD+AI
    2024 (10.1136/bmj-2023-078378) that neither data nor recipe can answer.
    """

    intended_use: str | None
    intended_users: str | None
    population: str | None
    setting_and_dates: str | None
    eligibility: str | None
    reference_standard: str | None
    annotators: str | None
    deidentification: str | None
    sample_size: str | None
    known_harms: str | None
    fairness: str | None
    ethics: str | None
    registration: str | None
    funding: str | None
    interests: str | None
    involvement: str | None
    availability: str | None
    contact: str | None
