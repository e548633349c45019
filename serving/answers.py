"""What the service answers on a film, as its documentation shows it."""

import bentoml


class ModelName(bentoml.IODescriptor):
    """Which model answered."""

    recipe: str
    version: str
    sha256: str


class Prediction(bentoml.IODescriptor):
    """The answer on one film.

    `probability` is that of the positive class (with more than two classes, of the label), `threshold` the one from
    which the decision is positive. `familiarity` is the share of validation films that were at least as unusual.
    """

    label: str
    probability: float
    probabilities: dict[str, float]
    threshold: float | None
    decision: str
    familiarity: float
    model: ModelName
    notice: str
