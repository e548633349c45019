"""The course of a training run, the same for every framework: learning rate, history, best epoch, the end."""

import math
from typing import Any

import numpy as np
from sklearn.metrics import log_loss, roc_auc_score

from pipelines.errors import ModelError
from pipelines.recipe import TrainParams

DROP = 5.0  # the plateau schedule divides the rate by this


class Course:
    """What a run has reached.

    Args:
        train: the numbers of the recipe.
        targets: (n,) of the validation images; with two classes, 1 is the positive one.
    """

    def __init__(self, train: TrainParams, targets: np.ndarray) -> None:
        self.train, self.targets = train, targets
        self.history: list[dict[str, Any]] = []
        self._started = 0  # the place in the history where the phase began
        self._waited_from, self._drops = 0, 0

    def rate(self, step: int, steps: int, peak: float | None = None) -> float:
        """Learning rate of one step.

        Rises over the share `warm_up` of the steps; then falls with the cosine (Loshchilov and Hutter 2017), drops at
        plateaus, or stays, as the schedule says.

        Args:
            step: counted from 0, of this phase.
            steps: of this phase in all.
            peak: the highest rate; by default that of the recipe.
        """
        peak = self.train.learning_rate if peak is None else peak
        warm_up = math.ceil(self.train.warm_up * steps)
        if step < warm_up:
            return peak * (step + 1) / warm_up
        if self.train.schedule == "cosine":
            return peak * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(steps - warm_up, 1)))
        return peak / DROP**self._drops

    def judge(self, epoch: int, loss: float, probability: np.ndarray, phase: str = "whole") -> bool:
        """Add an epoch to the history; whether it is the best so far, so that its weights are to be kept.

        Args:
            epoch: counted from 1.
            loss: mean of the epoch's training loss.
            probability: of the validation images, (n, 1) of the positive class or (n, classes).
        Raises:
            ModelError: the loss is no longer a finite number.
        """
        if not math.isfinite(loss):
            raise ModelError(
                f"The training loss of epoch {epoch} is {loss}, expected a finite number. "
                "Try a smaller train.learning_rate, or set train.clip_norm."
            )
        row = {"epoch": epoch, "phase": phase, "loss": loss, **figures(self.targets, probability)}
        self.history.append(row)
        better = best_of(self.history, self.train.monitor) is row
        if better:
            self._waited_from = len(self.history)
        elif self.train.schedule == "plateau" and self._waited() >= max(self.train.patience // 2, 1):
            self._drops, self._waited_from = self._drops + 1, len(self.history)
        return better

    def begin_phase(self) -> None:
        """Patience and learning rate start anew; the best epoch so far stays the one to beat."""
        self._waited_from, self._drops, self._started = len(self.history), 0, len(self.history)

    @property
    def stop(self) -> bool:
        """Whether `patience` epochs of this phase brought nothing better."""
        since = max(self.history.index(self.best) + 1, self._started) if self.history else 0
        return len(self.history) - since >= self.train.patience

    @property
    def best(self) -> dict[str, Any]:
        """The row of the best epoch."""
        return best_of(self.history, self.train.monitor)

    def state(self) -> dict[str, Any]:
        """All that a checkpoint must hold of it."""
        return {
            "history": self.history,
            "waited_from": self._waited_from,
            "drops": self._drops,
            "started": self._started,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where another one was."""
        self.history = [dict(row) for row in state["history"]]
        self._waited_from, self._drops, self._started = state["waited_from"], state["drops"], state["started"]

    def _waited(self) -> int:
        return len(self.history) - self._waited_from


def best_of(history: list[dict[str, Any]], monitor: str) -> dict[str, Any]:
    """The row that is best by the validation figure that the recipe monitors; the first of equals."""
    if monitor == "loss":
        return min(history, key=lambda row: row["val_loss"])
    return max(history, key=lambda row: row[f"val_{monitor}"])


def figures(targets: np.ndarray, probability: np.ndarray) -> dict[str, float]:
    """Cross-entropy, AUC and accuracy (at one half, or of the most probable class) of validation."""
    pair = np.hstack([1 - probability, probability]) if probability.shape[1] == 1 else probability
    pair = pair.astype(np.float64)
    return {
        "val_loss": float(log_loss(targets, pair / pair.sum(axis=1, keepdims=True), labels=range(pair.shape[1]))),
        "val_auc": auc(targets, pair),
        "val_accuracy": float(np.mean(pair.argmax(axis=1) == targets)),
    }


def auc(targets: np.ndarray, probability: np.ndarray) -> float:
    """Area under the ROC curve; with more than two classes the mean of one against the rest."""
    if probability.shape[1] == 2:
        return float(roc_auc_score(targets, probability[:, 1]))
    return float(roc_auc_score(targets, probability, multi_class="ovr", labels=range(probability.shape[1])))
