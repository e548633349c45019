"""Following a Keras run: learning rate, validation, best weights and checkpoints, step by step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from pipelines.training.batches import Batch, Batches
from pipelines.training.checkpoint import Checkpoint, Checkpoints
from pipelines.training.course import Course
from pipelines.training.devices import is_chief
from pipelines.training.heap import keep_freed_memory
from pipelines.training.labelled import Labelled
from pipelines.training.progress import Progress


@dataclass(frozen=True)
class Phase:
    """A stretch of training.

    Args:
        name: in the history.
        trained: the compiled model that `fit` gets.
        sources: batches, one after the other epoch by epoch.
        epochs: at most.
        peak: the highest learning rate.
        judge: from validation images to the probabilities of the model as it is now.
        collect: brings the trained weights into the model that is judged.
        end: tidies up.
        together: whether several processes train it, each of which must take part when its state is read.
    """

    name: str
    trained: keras.Model
    sources: Sequence[Batches]
    epochs: int
    peak: float
    judge: Callable[[np.ndarray], np.ndarray]
    collect: Callable[[], None]
    end: Callable[[], None]
    together: bool

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return len(self.sources[0])


class Feed(keras.utils.PyDataset):
    """The batches of an epoch, as `fit` reads them; `epoch` is set before each one begins."""

    def __init__(self, sources: Sequence[Batches], epoch: int, start: int) -> None:
        super().__init__()
        self.sources, self.epoch, self.start = sources, epoch, start

    def __len__(self) -> int:
        """Steps that are left."""
        return len(self.sources[0]) - self.start

    def __getitem__(self, step: int) -> Batch:
        """A batch by its number."""
        if step == 0:
            keep_freed_memory()
        return self.sources[self.epoch % len(self.sources)].batch(self.epoch, self.start + step)


class Run:
    """A training run, and where it stands: phase, epochs done in it, steps done in the epoch.

    Args:
        network: the model that is judged; `finish` leaves it with the weights of the best epoch.
        check: validation images.
        course: history and learning rate.
        checkpoints: where the state is kept.
    """

    def __init__(self, network: keras.Model, check: Labelled, course: Course, checkpoints: Checkpoints) -> None:
        self.network, self.check, self.course, self.checkpoints = network, check, course, checkpoints
        self.phase, self.epoch, self.step = 0, 0, 0
        self.best: list[np.ndarray] = []
        self.kept = checkpoints.load()
        if self.kept:
            self._restore(self.kept)
        self.progress = Progress(checkpoints.folder / "live" if is_chief() else None, self.kept is not None)

    def go_through(self, number: int, make: Callable[[], Phase]) -> None:
        """Do what is left of a phase; a run that stands behind it does nothing."""
        if number < self.phase:
            return
        if number > self.phase:
            self.phase, self.epoch, self.step = number, 0, 0
            self.network.set_weights(self.best)
            self.course.begin_phase()
        phase = make()
        if self.kept:
            self._restore_trained(phase, self.kept)
            phase.collect()
        while self.epoch < phase.epochs and not self.course.stop:
            self._fit(phase)
        self.kept = None
        phase.end()

    def finish(self) -> None:
        """Bring the best weights back, and leave them as the last checkpoint."""
        self.network.set_weights(self.best)
        self.phase, self.epoch, self.step = self.phase + 1, 0, 0
        if is_chief():
            self.checkpoints.save(self._arrays(None), self._told())
        self.progress.end()
        best = self.course.best
        print(f"kept epoch {best['epoch']} of phase {best['phase']}, validation AUC {best['val_auc']:.4f}", flush=True)

    def save(self, phase: Phase) -> None:
        """Write a checkpoint, if it is time; several processes agree on the time by taking the end of each epoch."""
        if self.step == 0 if phase.together else self.checkpoints.due():
            arrays = self._arrays(phase)
            if is_chief():
                self.checkpoints.save(arrays, self._told())

    def _fit(self, phase: Phase) -> None:
        """To the end of a broken epoch, or from a whole one to the end of the phase."""
        last = self.epoch + 1 if self.step else phase.epochs
        feed = Feed(phase.sources, self.epoch, self.step)
        follow = Follow(self, phase, feed, self._metrics(phase))
        phase.trained.fit(feed, initial_epoch=self.epoch, epochs=last, verbose=0, shuffle=False, callbacks=[follow])
        self.kept = None

    def _arrays(self, phase: Phase | None) -> dict[str, np.ndarray]:
        groups = {"best": self.best, **(_variables(phase.trained) if phase else {})}
        return {
            f"{group}/{place}": keras.ops.convert_to_numpy(value)
            for group, values in groups.items()
            for place, value in enumerate(values)
        }

    def _told(self) -> dict[str, Any]:
        return {"phase": self.phase, "epoch": self.epoch, "step": self.step, "course": self.course.state()}

    def _restore(self, kept: Checkpoint) -> None:
        self.phase, self.epoch, self.step = (kept.told[name] for name in ("phase", "epoch", "step"))
        self.course.restore(kept.told["course"])
        self.best = _group(kept, "best")
        if self.best:
            self.network.set_weights(self.best)

    def _restore_trained(self, phase: Phase, kept: Checkpoint) -> None:
        for group, variables in _variables(phase.trained).items():
            for variable, value in zip(variables, _group(kept, group), strict=True):
                variable.assign(value)

    def _metrics(self, phase: Phase) -> list[np.ndarray]:
        """The running loss of a broken epoch, which `fit` would begin anew."""
        return _group(self.kept, "metric") if self.kept and self.step else []


class Follow(keras.callbacks.Callback):
    """What happens at each step and epoch of `fit`."""

    def __init__(self, run: Run, phase: Phase, feed: Feed, metrics: list[np.ndarray]) -> None:
        super().__init__()
        self.run, self.phase, self.feed, self.metrics = run, phase, feed, metrics

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Show which epoch begins; a broken one goes on with its loss so far."""
        self.feed.epoch = epoch
        for variable, value in zip(self.model.metrics_variables, self.metrics, strict=False):
            variable.assign(value)
        self.metrics = []
        source = self.phase.sources[0]
        self.run.progress.begin(
            f"{self.phase.name} {epoch + 1}/{self.phase.epochs}", source.images_an_epoch, self.run.step * source.size
        )

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Set the learning rate of the step."""
        run, steps = self.run, self.phase.steps
        done = run.epoch * steps + run.step
        self.model.optimizer.learning_rate = run.course.rate(done, self.phase.epochs * steps, self.phase.peak)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Count the step; leave a checkpoint when it is time."""
        run, source = self.run, self.phase.sources[0]
        run.progress.advance(min(source.size, source.images_an_epoch - run.step * source.size))
        run.step += 1
        if run.step < self.phase.steps:  # behind the last one stands the end of the epoch
            run.save(self.phase)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Judge the epoch on validation, and keep its weights if they are the best."""
        run = self.run
        run.progress.trained()
        loss = float(self.model.get_metrics_result()["loss"])
        self.phase.collect()
        if run.course.judge(epoch + 1, loss, self.phase.judge(run.check.images), self.phase.name):
            run.best = run.network.get_weights()
        run.progress.told(run.course.history[-1], self.phase.epochs)
        run.epoch, run.step = epoch + 1, 0
        run.save(self.phase)
        self.model.stop_training = run.course.stop


def _variables(trained: keras.Model) -> dict[str, list[Any]]:
    """All that a trained model carries from one step to the next, random states included."""
    return {
        "model": list(trained.variables),
        "optimizer": list(trained.optimizer.variables),
        "metric": list(trained.metrics_variables),
    }


def _group(kept: Checkpoint, name: str) -> list[np.ndarray]:
    names = [array for array in kept.arrays if array.split("/")[0] == name]
    return [kept.arrays[array] for array in sorted(names, key=lambda array: int(array.split("/")[1]))]
