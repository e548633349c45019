"""The training loop: validation after each epoch, the best weights kept, checkpoints from which a run goes on."""

from typing import Any

import numpy as np
import torch

from pipelines.pytorch.loader import loader
from pipelines.pytorch.network import TorchCnn
from pipelines.pytorch.predict import probabilities
from pipelines.pytorch.state import array_of, set_weights, under, weights_of
from pipelines.pytorch.step import Step
from pipelines.recipe import AugmentParams, TrainParams
from pipelines.training.batches import Batches
from pipelines.training.checkpoint import Checkpoint, Checkpoints
from pipelines.training.course import Course
from pipelines.training.labelled import Labelled
from pipelines.training.progress import Progress


class Run:
    """A training run, and where it stands: epochs done, steps done in this one, and their summed loss.

    Args:
        network: on its device.
        learn: training images, shuffled and augmented in every epoch.
        check: validation images; the epoch that is best on them is kept.
        augment: limits of the random changes of training images.
        train: the numbers of the recipe.
        checkpoints: where the state is kept.
    """

    def __init__(
        self,
        network: TorchCnn,
        learn: Labelled,
        check: Labelled,
        augment: AugmentParams,
        train: TrainParams,
        checkpoints: Checkpoints,
    ) -> None:
        classes = max(network.head.logit.out_features, 2)
        self.network, self.check, self.train, self.checkpoints = network, check, train, checkpoints
        self.batches = Batches(learn, classes, train)
        self.course = Course(train, check.targets)
        self.take = Step(network, augment, train)
        self.epoch, self.step = 0, 0
        self.loss = torch.zeros((), dtype=torch.float64, device=self.take.device)
        self.best: dict[str, np.ndarray] = {}
        kept = checkpoints.load()
        self.done = bool(kept and kept.told["done"])
        if kept:
            self._restore(kept)
        self.progress = Progress(None if self.done else checkpoints.folder / "live", kept is not None)

    def finish(self) -> list[dict[str, Any]]:
        """Do what is left, and leave the network with the weights of the best epoch.

        Returns:
            One row per epoch: epoch, phase, loss, val_loss, val_auc, val_accuracy.
        """
        if not self.done:
            while self.epoch < self.train.epochs and not self.course.stop:
                self._train_epoch()
                self._judge()
            self.done = True
            self._save()
            self.progress.end()
        set_weights(self.network, self.best)
        best = self.course.best
        print(f"kept epoch {best['epoch']}, validation AUC {best['val_auc']:.4f}", flush=True)
        return self.course.history

    def _train_epoch(self) -> None:
        self.network.train()
        steps, size = len(self.batches), self.batches.size
        pinned = self.take.device.type == "cuda"
        self.progress.begin(f"{self.epoch + 1}/{self.train.epochs}", self.batches.images_an_epoch, self.step * size)
        for images, targets, weights in loader(self.batches, self.epoch, self.step, pinned):
            rate = self.course.rate(self.epoch * steps + self.step, self.train.epochs * steps)
            self.loss += self.take(images, targets, weights, rate)
            self.step += 1
            self.progress.advance(len(images))
            if self.step < steps and self.checkpoints.due():
                self._save()
        self.progress.trained()

    def _judge(self) -> None:
        """Measure the epoch on validation, and begin the next one."""
        mean_loss = self.loss.item() / self.batches.images_an_epoch
        probability = probabilities(self.network, self.check.images, self.train.batch)
        if self.course.judge(self.epoch + 1, mean_loss, probability):
            self.best = weights_of(self.network)
        self.epoch, self.step = self.epoch + 1, 0
        self.loss.zero_()
        self.progress.told(self.course.history[-1], self.train.epochs)
        self._save()

    def _save(self) -> None:
        """Write a checkpoint; that of a finished run holds the best weights alone."""
        arrays = {f"best/{name}": value for name, value in self.best.items()}
        told = {"done": self.done, "epoch": self.epoch, "step": self.step, "course": self.course.state()}
        if not self.done:
            moving, more = self.take.state()
            arrays |= {f"model/{name}": array_of(value) for name, value in self.network.state_dict().items()}
            arrays |= moving | {"loss": array_of(self.loss)}
            told |= more
        self.checkpoints.save(arrays, told)

    def _restore(self, kept: Checkpoint) -> None:
        self.course.restore(kept.told["course"])
        self.epoch, self.step = kept.told["epoch"], kept.told["step"]
        self.best = under("best", kept.arrays)
        if not self.done:
            set_weights(self.network, under("model", kept.arrays))
            self.loss.copy_(torch.from_numpy(kept.arrays["loss"]))
            self.take.restore(kept.arrays, kept.told)
