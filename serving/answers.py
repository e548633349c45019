"""What the service answers, as its documentation shows it."""

from pydantic import BaseModel


class ModelName(BaseModel):
    """Which model answered."""

    recipe: str
    version: str
    sha256: str


class Prediction(BaseModel):
    """The answer on one film.

    `probability` is that of the positive class (with more than two classes, of the label), `threshold` the one from
    which the decision is positive (null with more than two classes). `decision` is positive, negative, refer or
    refused; with more than two classes the label or refused. `familiarity` is the share of validation films that were
    at least as unusual. `reason` says why a film was refused.
    """

    label: str
    probability: float
    probabilities: dict[str, float]
    threshold: float | None
    decision: str
    familiarity: float
    reason: str | None
    model: ModelName
    notice: str


class Error(BaseModel):
    """Why there is no answer: one sentence."""

    error: str


class Example(BaseModel):
    """A film to try: its name, what it shows, its picture (base64), and the answer of the released model."""

    name: str
    label: str
    film: str
    answer: Prediction


class Examples(BaseModel):
    """Films to try."""

    examples: list[Example]
