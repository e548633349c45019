"""Training itself: a model, arrays and numbers in; the best epoch's weights and the history out."""

import time
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from sklearn.metrics import log_loss, roc_auc_score

from pipelines.augment import Augment
from pipelines.batches import Batches, balanced_weights
from pipelines.recipe import AugmentParams, TrainParams


@dataclass(frozen=True)
class Labelled:
    """Images (n, height, width, channels) uint8 and their targets (n,); with two classes, 1 is the positive one."""

    images: np.ndarray
    targets: np.ndarray


def repeatable(seed: int) -> None:
    """Make everything that follows in this process repeat, bit for bit, on the same machine."""
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()


def fit(
    model: keras.Model, learn: Labelled, check: Labelled, augment: AugmentParams, train: TrainParams
) -> list[dict[str, float]]:
    """Train a model in place and leave it with the weights of its best epoch.

    Args:
        learn: training images, shuffled and augmented in every epoch.
        check: validation images; the best epoch is the one with the highest AUC on them.
    Returns:
        One row per epoch: epoch, loss, val_loss, val_auc, seconds.
    """
    classes = model.output.shape[1]
    weights = balanced_weights(learn.targets, max(classes, 2)) if train.class_weights else np.ones(max(classes, 2))
    batches = Batches(learn.images, learn.targets, weights, train.batch, train.seed)
    start = keras.layers.Input(model.input.shape[1:], dtype="uint8")
    trained = keras.Model(start, model(Augment(augment, train.seed)(start)))
    trained.compile(
        optimizer=_optimizer(train, len(batches)),
        loss="binary_crossentropy" if classes == 1 else "sparse_categorical_crossentropy",
    )
    best = BestEpoch(model, check, train)
    trained.fit(batches, epochs=train.epochs, verbose=0, callbacks=[best])
    return best.history


def predict(model: keras.Model, images: np.ndarray, batch: int = 64) -> np.ndarray:
    """The model's outputs for images of any number, (n, outputs)."""
    parts = [
        keras.ops.convert_to_numpy(model(images[start : start + batch].astype("float32"), training=False))
        for start in range(0, len(images), batch)
    ]
    return np.concatenate(parts)


def auc(targets: np.ndarray, probability: np.ndarray) -> float:
    """Area under the ROC curve; with more than two classes the mean of one against the rest."""
    if probability.shape[1] == 1:
        return float(roc_auc_score(targets, probability[:, 0]))
    return float(roc_auc_score(targets, probability, multi_class="ovr", labels=range(probability.shape[1])))


class BestEpoch(keras.callbacks.Callback):
    """Judge each epoch on validation, say how far training is, keep the best weights, stop when patience ends."""

    def __init__(self, judged: keras.Model, check: Labelled, train: TrainParams) -> None:
        super().__init__()
        self.judged, self.check, self.train = judged, check, train
        self.history: list[dict[str, float]] = []
        self._best: tuple[float, int, list[np.ndarray]] | None = None
        self._started = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Judge the epoch that ended."""
        probability = predict(self.judged, self.check.images)
        score, now = auc(self.check.targets, probability), time.monotonic()
        pair = np.hstack([1 - probability, probability]) if probability.shape[1] == 1 else probability
        row = {
            "epoch": epoch + 1,
            "loss": float((logs or {})["loss"]),
            "val_loss": float(log_loss(self.check.targets, pair, labels=range(pair.shape[1]))),
            "val_auc": score,
        }
        self.history.append(row)
        if self._best is None or score > self._best[0]:
            self._best = (score, epoch, self.judged.get_weights())
        self._say(row, now - self._started)
        if epoch - self._best[1] >= self.train.patience:
            self.model.stop_training = True

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Bring the best weights back."""
        assert self._best is not None
        self.judged.set_weights(self._best[2])
        print(f"kept epoch {self._best[1] + 1}, validation AUC {self._best[0]:.4f}", flush=True)

    def _say(self, row: dict[str, float], seconds: float) -> None:
        done, total = int(row["epoch"]), self.train.epochs
        left = seconds / done * (total - done)
        print(
            f"epoch {done:>3}/{total}  loss {row['loss']:.4f}  val_loss {row['val_loss']:.4f}  "
            f"val_auc {row['val_auc']:.4f}  about {left:.0f} s left",
            flush=True,
        )


def _optimizer(train: TrainParams, steps: int) -> keras.optimizers.Optimizer:
    total = train.epochs * steps
    warm_up = max(1, total // 20)
    rate = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=train.learning_rate / 20,
        decay_steps=total - warm_up,
        warmup_target=train.learning_rate,
        warmup_steps=warm_up,
    )
    return keras.optimizers.AdamW(rate, weight_decay=train.weight_decay)
