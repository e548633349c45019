"""One network measured for a comparison: trained for a while on given images, then timed as the file that is served."""

import hashlib
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from pipelines.architecture.formulas import totals
from pipelines.card import sha256
from pipelines.errors import RecipeError
from pipelines.export.familiarity import FeatureStatistics
from pipelines.inference import Graph
from pipelines.recipe import Recipe, TrainParams
from pipelines.recipe_file import Entrant
from pipelines.stage import fresh_file
from pipelines.training.checkpoint import Checkpoints
from pipelines.training.course import best_of
from pipelines.training.identity import identity
from pipelines.training.labelled import Labelled, labelled
from pipelines.training.learner import Learner
from pipelines.training.learners import learner_of

ROUNDS, BATCH = 30, 32


@dataclass(frozen=True)
class Contest:
    """What all networks of a comparison are trained and measured on.

    Args:
        prepared: folder with the prepared splits of the recipe.
        images: training images, at most; a part that the recipe's seed chooses.
        epochs: of training; the one that is best on validation counts.
    Raises:
        RecipeError: there would be nothing to train on, or a class of which no image is among the chosen ones.
        DataError: training or validation images are not prepared.
    """

    prepared: Path
    recipe: Recipe
    images: int
    epochs: int

    def __post_init__(self) -> None:
        """Refuse what cannot be measured before anything is trained."""
        if min(self.images, self.epochs) < 1:
            raise RecipeError(
                f"Received {self.images} images and {self.epochs} epochs. Expected at least one of each: "
                "correct --images and --epochs."
            )
        for images, where, way_out in (
            (self.learn, "training", "Raise --images."),
            (self.check, "validation", "Prepare more data."),
        ):
            if absent := set(range(len(self.recipe.labels.names))) - set(images.targets.tolist()):
                names = ", ".join(self._label(target) for target in sorted(absent))
                raise RecipeError(f"Among {len(images.targets)} {where} images is none of {names}. {way_out}")

    def train(self, entrant: Entrant) -> TrainParams:
        """The recipe's numbers, for so many epochs in one phase, at the network's own rate where it has one."""
        rate = entrant.learning_rate or self.recipe.train.learning_rate
        changes = {"epochs": self.epochs, "head": None, "patience": self.epochs, "learning_rate": rate}
        return self.recipe.train.model_copy(update=changes)

    @cached_property
    def learn(self) -> Labelled:
        """Training images."""
        whole = labelled(self.prepared, "train", self.recipe.labels)
        order = np.random.default_rng(self.recipe.train.seed).permutation(len(whole.targets))
        chosen = np.sort(order[: self.images])
        return Labelled(whole.images[chosen], whole.targets[chosen])

    @cached_property
    def check(self) -> Labelled:
        """Validation images."""
        return labelled(self.prepared, "val", self.recipe.labels)

    def key(self, entrant: Entrant) -> str:
        """A digest that is equal where a network would be measured in the same way on the same data."""
        numbers = self.recipe
        sections = (numbers.image, numbers.labels, numbers.augment, entrant.model, self.train(entrant))
        same = identity(self.prepared, sections)
        told = (same, self.images, sha256(Path(__file__)))
        return hashlib.sha256(repr(told).encode()).hexdigest()[:16]

    def _label(self, target: int) -> str:
        labels = self.recipe.labels
        if labels.positive is None:
            return labels.names[target]
        return labels.names[labels.positive_index if target else 1 - labels.positive_index]


class Pace(Checkpoints):
    """Takes the time of each training step, and writes nothing.

    The first step, in which the network is compiled, is not among them. The last one of an epoch may come with the
    validation that follows it, so that it is their median that tells.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "contest", float("inf"))
        self.seconds: list[float] = []
        self._before: float | None = None

    def due(self) -> bool:
        """Told after a step: never time for a checkpoint."""
        now = time.perf_counter()
        if self._before is not None:
            self.seconds.append(now - self._before)
        self._before = now
        return False

    def save(self, arrays: dict[str, np.ndarray], told: dict[str, Any]) -> None:
        """Keep nothing: a network is measured from its start to its end, or again."""


def measured(contest: Contest, entrant: Entrant, known: Path) -> dict[str, Any]:
    """Figures of a network, from the folder `known` where it was measured under the same numbers before."""
    file = known / f"{contest.key(entrant)}.json"
    if not file.is_file():
        with fresh_file(file) as beside:
            beside.write_text(json.dumps(_measure(contest, entrant), indent=1), encoding="utf-8")
    return dict(json.loads(file.read_text(encoding="utf-8")))


def _measure(contest: Contest, entrant: Entrant) -> dict[str, Any]:
    recipe, learn, check, train = contest.recipe, contest.learn, contest.check, contest.train(entrant)
    learner = learner_of(entrant.model, recipe.image, recipe.labels, recipe.augment, train)
    with tempfile.TemporaryDirectory() as folder:
        pace, started = Pace(Path(folder)), time.perf_counter()
        best = best_of(learner.fit(learn, check, pace), train.monitor)
        seconds = time.perf_counter() - started
        speed = _served(learner, Path(folder), check.images)
    facts = totals(learner.layers(np.array(learn.images[0])))
    return {
        "name": learner.name,
        "framework": learner.framework,
        "weights": getattr(entrant.model, "weights", None),
        "learning_rate": train.learning_rate,
        **facts,
        "filters": ", ".join(facts["filters"]),
        "accuracy": best["val_accuracy"],
        "right": round(best["val_accuracy"] * len(check.targets)),
        "checked": len(check.targets),
        "auc": best["val_auc"],
        "training_rate": min(train.batch, len(learn.targets)) / median(pace.seconds or [seconds]),
        **speed,
    }


def _served(learner: Learner, folder: Path, images: np.ndarray) -> dict[str, float]:
    """How fast the exported file answers, heatmap included; time does not depend on the statistics it holds."""
    channels = learner.features(images[:1]).shape[1]
    plain = FeatureStatistics(np.zeros(channels, np.float32), np.eye(channels, dtype=np.float32))
    learner.export(folder / "model.onnx", plain, np.array(images[:BATCH]))
    graph, one, many = Graph(folder / "model.onnx"), np.array(images[:1]), np.array(images[:BATCH])
    return {
        "milliseconds": 1000 * _seconds(lambda: graph.answer(one)),
        "batch_rate": len(many) / _seconds(lambda: graph.answer(many)),
    }


def _seconds(call: Callable[[], object]) -> float:
    call()
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return median(times)
