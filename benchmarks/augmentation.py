"""Augmented training images a second: our input path and augmentation, and Keras' `ImageDataGenerator`.

    python -m benchmarks.augmentation [--side 224] [--rounds 11]

Both sides take the same images in shuffled batches of 32, turn, shift, shear, zoom and mirror them within the same
limits, and hand over a float32 tensor, as a training step takes it. Ours gathers them from a memory-mapped file; the
generator has them in memory as float32, and the time in which it brings them there is not counted. They run in turn, so
that a machine whose speed drifts drifts for both.
"""

import argparse
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import numpy as np
import tensorflow
from keras.src.legacy.preprocessing.image import ImageDataGenerator

from pipelines.recipe_file import load
from pipelines.training.augment import Augment
from pipelines.training.batches import Batches
from pipelines.training.labelled import Labelled

ROOT = Path(__file__).resolve().parent.parent
IMAGES, SECONDS = 512, 3.0


def main() -> None:
    """Measure, and print images a second and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=11)
    chosen = parser.parse_args()
    for channels, name in ((1, "grey"), (3, "RGB")):
        with tempfile.TemporaryDirectory() as folder:
            images = drawn(Path(folder), chosen.side, channels)
            ours, theirs = our_batches(images), generator_batches(images)
            pairs = [(rate(ours), rate(theirs)) for _ in range(chosen.rounds)]
        ratios = [one / two for one, two in pairs]
        print(
            f"{name} {chosen.side} x {chosen.side}: ours {median(one for one, _ in pairs):,.0f} images/s, "
            f"ImageDataGenerator {median(two for _, two in pairs):,.0f}, "
            f"{median(ratios):.1f} times ({min(ratios):.1f} to {max(ratios):.1f})"
        )


def drawn(folder: Path, side: int, channels: int) -> np.ndarray:
    """Noise, on disk."""
    file = folder / "images.npy"
    np.save(file, np.random.default_rng(0).integers(0, 256, (IMAGES, side, side, channels), dtype=np.uint8))
    return np.load(file, mmap_mode="r")


def our_batches(images: np.ndarray) -> Callable[[], int]:
    """One batch through the input path and the compiled layer, as in a training step."""
    recipe = load(ROOT / "recipes" / "folder.yaml")
    batches = Batches(Labelled(images, np.zeros(len(images), dtype=int)), 2, recipe.train)
    augment = tensorflow.function(Augment(recipe.augment, 1, always=True))
    source = _endless(batches)

    def step() -> int:
        pixels, _, _ = next(source)
        return len(augment(tensorflow.convert_to_tensor(pixels)))

    step()
    return step


def generator_batches(images: np.ndarray) -> Callable[[], int]:
    """One batch of Keras' generator, with the limits of the same recipe."""
    limits = load(ROOT / "recipes" / "folder.yaml").augment
    generator = ImageDataGenerator(
        rotation_range=limits.rotation,
        width_shift_range=limits.shift,
        height_shift_range=limits.shift,
        shear_range=math.degrees(math.atan(limits.shear)),
        zoom_range=limits.zoom,
        horizontal_flip=limits.flip,
        fill_mode="constant",
    )
    source = generator.flow(images, batch_size=32, shuffle=True, seed=1)
    return lambda: len(tensorflow.convert_to_tensor(next(source)))


def rate(step: Callable[[], int]) -> float:
    """Images a second."""
    started, seen = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - started) < SECONDS:
        seen += step()
    return seen / elapsed


def _endless(batches: Batches) -> Iterator:
    epoch = 0
    while True:
        yield from batches.epoch(epoch)
        epoch += 1


if __name__ == "__main__":
    main()
