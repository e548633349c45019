"""What training spends its time on: input, memory, the frozen phase, and the step against the plain `model.fit`.

    python -m benchmarks.training [--rounds 5]

Images are noise and weights random: time depends on neither. The two sides of each line run in turn.
"""

import argparse
import ctypes
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import keras
import numpy as np
from keras import layers

from pipelines.recipe import ImageParams, Recipe
from pipelines.recipe_file import load
from pipelines.training.batches import Batch, Batches
from pipelines.training.follow import Feed
from pipelines.training.frozen import FrozenFeatures, head_model
from pipelines.training.heap import MMAP_THRESHOLD, TRIM_THRESHOLD
from pipelines.training.keras_learner import KerasLearner
from pipelines.training.labelled import Labelled
from pipelines.training.phases import Place, Whole

ROOT = Path(__file__).resolve().parent.parent
Side = Callable[[], object]


def main() -> None:
    """Measure, and print ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        waiting(Path(folder), rounds)
        kept_memory(Path(folder), rounds)
        frozen(Path(folder), max(rounds // 2, 2))
        plain_fit(Path(folder), rounds)


def waiting(folder: Path, rounds: int) -> None:
    """An epoch on images that are gathered from disk, and one on a batch that is there already."""
    recipe = load(ROOT / "recipes" / "demo.yaml")
    images = drawn(folder, 1024, recipe.image)
    phase = whole_phase(recipe, images)
    read, ready = Feed(phase.sources, 0, 0), Feed([Ready(phase.sources[0])], 0, 0)
    sides: list[Side] = [lambda: phase.trained.fit(read, verbose=0), lambda: phase.trained.fit(ready, verbose=0)]
    ratios = [read_s / ready_s for read_s, ready_s in in_turn(sides, rounds)]
    share = 1 - 1 / median(ratios)
    print(f"demo, 96 x 96: {100 * max(share, 0):.1f} % of an epoch waits for input (ratio {median(ratios):.3f})")


def kept_memory(folder: Path, rounds: int) -> None:
    """An epoch as it is, and one with the heap as TensorFlow sets it when a generator feeds `fit`."""
    recipe = load(ROOT / "recipes" / "demo.yaml")
    phase = whole_phase(recipe, drawn(folder, 512, recipe.image))
    kept, given_back = Feed(phase.sources, 0, 0), GivenBack(phase.sources, 0, 0)
    sides: list[Side] = [lambda: phase.trained.fit(given_back, verbose=0), lambda: phase.trained.fit(kept, verbose=0)]
    ratios = [theirs / ours for theirs, ours in in_turn(sides, rounds)]
    print(
        f"demo, 96 x 96: {median(ratios):.2f} times as fast as with every tensor's memory given back "
        f"({min(ratios):.2f} to {max(ratios):.2f})"
    )


def frozen(folder: Path, rounds: int) -> None:
    """An epoch of the head on kept vectors, and one that runs the frozen layers each time."""
    recipe = load(ROOT / "recipes" / "chest-xray.yaml")
    recipe = recipe.model_copy(update={"model": recipe.model.model_copy(update={"weights": None})})
    images = drawn(folder, 128, recipe.image)
    learner = KerasLearner(recipe.model, recipe.image, recipe.labels, recipe.augment, recipe.train)
    targets = np.arange(len(images)) % 2
    kept = FrozenFeatures(learner.network, recipe.augment, folder / "vectors", "key")
    started = time.perf_counter()
    vectors = kept.view(images, "train", 0)
    once = time.perf_counter() - started
    head = head_model(learner.network)
    head.compile("adamw", "binary_crossentropy")
    for layer in learner.network.layers[: learner.network.layers.index(learner.network.get_layer("features"))]:
        layer.trainable = False
    phase = Whole(learner.network, Place(lambda: None, None), Labelled(images, targets), recipe.augment, recipe.train)()
    short = Feed([Batches(Labelled(vectors, targets), 2, recipe.train)], 0, 0)
    long = Feed(phase.sources, 0, 0)
    sides: list[Side] = [lambda: phase.trained.fit(long, verbose=0), lambda: head.fit(short, verbose=0)]
    times = in_turn(sides, rounds)
    print(
        f"{learner.name}, 224 x 224: an epoch of the frozen phase {median(a / b for a, b in times):.0f} times faster "
        f"than one that runs the frozen layers ({len(images)} images: {median(b for _, b in times):.3f} s, "
        f"{median(a for a, _ in times):.1f} s; a view is computed once in {once:.1f} s)"
    )


def plain_fit(folder: Path, rounds: int) -> None:
    """An epoch of the mnist recipe, and of the same layers with `model.fit` on an array, as the classic has it."""
    recipe = load(ROOT / "recipes" / "mnist.yaml")
    images = drawn(folder, 6000, recipe.image)
    targets = np.arange(len(images)) % 10
    phase = whole_phase(recipe, images, targets)
    classic, floats = classic_mnist(), images.astype("float32") / 255
    feed = Feed(phase.sources, 0, 0)
    sides: list[Side] = [
        lambda: classic.fit(floats, targets, batch_size=recipe.train.batch, verbose=0),
        lambda: phase.trained.fit(feed, verbose=0),
    ]
    ratios = [theirs / ours for theirs, ours in in_turn(sides, rounds)]
    print(f"mnist: {median(ratios):.2f} times as fast as the plain model.fit ({min(ratios):.2f} to {max(ratios):.2f})")


class GivenBack(Feed):
    """The same batches, with glibc's thresholds as TensorFlow leaves them."""

    def __getitem__(self, step: int) -> Batch:
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(MMAP_THRESHOLD, 128 * 1024)
        mallopt(TRIM_THRESHOLD, 128 * 1024)
        return self.sources[0].batch(self.epoch, step)


class Ready:
    """One batch again and again, as many steps as the epoch has."""

    def __init__(self, batches: Batches) -> None:
        self.steps, self.same = len(batches), batches.batch(0, 0)

    def __len__(self) -> int:
        return self.steps

    def batch(self, epoch: int, step: int) -> Batch:
        """That batch."""
        return self.same


def whole_phase(recipe: Recipe, images: np.ndarray, targets: np.ndarray | None = None):
    """The phase of a recipe that trains all layers."""
    learner = KerasLearner(recipe.model, recipe.image, recipe.labels, recipe.augment, recipe.train)
    data = Labelled(images, np.arange(len(images)) % 2 if targets is None else targets)
    return Whole(learner.network, Place(lambda: None, None), data, recipe.augment, recipe.train)()


def classic_mnist() -> keras.Model:
    """The CNN for MNIST as tutorials write it."""
    model = keras.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.4),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def drawn(folder: Path, count: int, image: ImageParams) -> np.ndarray:
    """Noise, on disk."""
    file = folder / f"{count}.npy"
    shape = (count, image.height, image.width, image.channels)
    np.save(file, np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
    return np.load(file, mmap_mode="r")


def in_turn(sides: list[Side], rounds: int) -> list[tuple[float, ...]]:
    """Seconds of each side, round by round, after one that is not counted."""
    for side in sides:
        side()
    return [tuple(timed(side) for side in sides) for _ in range(rounds)]


def timed(side: Side) -> float:
    started = time.perf_counter()
    side()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
