"""The section of a recipe that says how the model in production is watched, and what a noticed drift sets off."""

from typing import Annotated

from pydantic import Field

from pipelines.section import Positive, Section


class MonitorParams(Section):
    """How the films that the service answers are held against those that the model was tested on.

    window: days whose films are judged together.
    films: different films of a window, at least, for a judgement on it.
    false_alarms: share of windows without drift in which an alarm may be raised.
    least_distance: a statistic that moved less (Kolmogorov-Smirnov or total variation distance) is not worth an alarm,
        however many films show it.
    retrain: whether a noticed drift triggers retraining.
    retrains_per_week: how often it may do so in any seven days.
    """

    window: Positive
    films: Annotated[int, Field(ge=20)]
    false_alarms: Annotated[float, Field(gt=0, lt=0.5)]
    least_distance: Annotated[float, Field(ge=0, lt=1)]
    retrain: bool
    retrains_per_week: Positive
