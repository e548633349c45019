"""What data, recipe and the model's own card say of the items of a model card, in sentences."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipelines.card import Card
from pipelines.evaluation.figures_text import words
from pipelines.evaluation.sentences import promise
from pipelines.model_card_tables import Metrics, number, with_interval
from pipelines.recipe import AugmentParams, SourceParams, TrainParams

if TYPE_CHECKING:
    from pipelines.model_card_items import Task
