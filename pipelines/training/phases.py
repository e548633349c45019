"""Training a Keras model: the phases of a run, one after the other, from wherever its last checkpoint stands."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers, ops

from pipelines.recipe import AugmentParams, TrainParams
from pipelines.training.augment import Augment
from pipelines.training.batches import Batches
from pipelines.training.checkpoint import Checkpoints
from pipelines.training.course import Course
from pipelines.training.devices import Strategy, model_class, out_of_memory_named
from pipelines.training.follow import Phase, Run
from pipelines.training.frozen import FrozenFeatures, head_model
from pipelines.training.labelled import Labelled
from pipelines.training.predict import predict

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


@dataclass(frozen=True)
class Place:
    """Where the whole model is trained: `build` makes another one like it, for other arithmetic or several devices."""

    build: Callable[[], keras.Model]
    strategy: Strategy | None


def repeatable(seed: int, jit: bool) -> None:
    """Make everything that follows in this process repeat, bit for bit, on the same machine.

    With `jit` only what XLA compiles repeats: TensorFlow has no compiled form of its deterministic operations.
    """
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow" and not jit:
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()


def fit(
    network: keras.Model,
    place: Place,
    learn: Labelled,
    check: Labelled,
    augment: AugmentParams,
    train: TrainParams,
    checkpoints: Checkpoints,
) -> list[dict[str, Any]]:
    """Train a model in place and leave it with the weights of its best epoch.

    Args:
        network: takes grey levels, gives probabilities; it is judged and exported, in float32 and on one device.
        place: on which devices, and how another model like it is made.
        learn: training images, shuffled and augmented in every epoch.
        check: validation images; the epoch that is best on them is kept.
        checkpoints: where the run leaves its state, and finds it again.
    Returns:
        One row per epoch: epoch, phase, loss, val_loss, val_auc, val_accuracy.
    Raises:
        ModelError: the device ran out of memory, or cannot do what the recipe asks.
    """
    run = Run(network, check, Course(train, check.targets), checkpoints)
    with out_of_memory_named(train.batch):
        for number, phase in enumerate(phases(network, place, learn, augment, train, checkpoints)):
            run.go_through(number, phase)
    run.finish()
    return run.course.history


def phases(
    network: keras.Model,
    place: Place,
    learn: Labelled,
    augment: AugmentParams,
    train: TrainParams,
    checkpoints: Checkpoints,
) -> list[Callable[[], Phase]]:
    """What a run consists of, each made when its turn comes."""
    whole = Whole(network, place, learn, augment, train)
    if train.head is None:
        return [whole]
    return [Head(network, learn, augment, train, checkpoints), whole]


class Head:
    """The first phase of transfer learning: the dense layers alone, on vectors that the frozen rest gave once."""

    def __init__(
        self,
        network: keras.Model,
        learn: Labelled,
        augment: AugmentParams,
        train: TrainParams,
        checkpoints: Checkpoints,
    ) -> None:
        self.network, self.learn, self.augment, self.train = network, learn, augment, train
        self.checkpoints = checkpoints

    def __call__(self) -> Phase:
        """Compute the vectors that are not known yet, and make the phase."""
        assert self.train.head is not None
        frozen = FrozenFeatures(self.network, self.augment, self.checkpoints.folder, self.checkpoints.key)
        images, head = self.learn.images, head_model(self.network)
        if self.train.head.views:
            views = [frozen.view(images, "train", seed) for seed in range(self.train.head.views)]
        else:
            views = [frozen.plain(images, "train")]
        classes = self.network.output.shape[1]
        _compile(head, self.train, classes)
        return Phase(
            name="head",
            trained=head,
            sources=[Batches(Labelled(view, self.learn.targets), max(classes, 2), self.train) for view in views],
            epochs=self.train.head.epochs,
            peak=self.train.head.learning_rate,
            judge=lambda images: predict(head, frozen.plain(images, "val")),
            collect=lambda: None,
            end=frozen.remove,
            together=False,
        )


class Whole:
    """All layers, on augmented images; after a first phase, batch normalisation stays as it came."""

    def __init__(
        self, network: keras.Model, place: Place, learn: Labelled, augment: AugmentParams, train: TrainParams
    ) -> None:
        self.network, self.place, self.learn, self.augment, self.train = network, place, learn, augment, train

    def __call__(self) -> Phase:
        """Make the phase."""
        train, classes = self.train, self.network.output.shape[1]
        strategy = self.place.strategy
        with strategy.scope() if strategy else nullcontext(), _arithmetic(train.precision):
            twin = self.network if strategy is None and train.precision == "float32" else self.place.build()
            if twin is not self.network:
                twin.set_weights(self.network.get_weights())
            if train.head is not None:
                _freeze_normalisation(twin)
            start = layers.Input(twin.input.shape[1:], dtype="uint8")
            trained = model_class(strategy)(start, twin(Augment(self.augment, train.seed)(start)))
            _compile(trained, train, classes)
        return Phase(
            name="whole",
            trained=trained,
            sources=[Batches(self.learn, max(classes, 2), train)],
            epochs=train.epochs,
            peak=train.learning_rate,
            judge=lambda images: predict(self.network, images),
            collect=lambda: None if twin is self.network else self.network.set_weights(twin.get_weights()),
            end=lambda: None,
            together=train.devices == "workers",
        )


def _compile(trained: keras.Model, train: TrainParams, classes: int) -> None:
    trained.compile(
        optimizer=keras.optimizers.AdamW(
            train.learning_rate, weight_decay=train.weight_decay, global_clipnorm=train.clip_norm
        ),
        loss=_loss(classes, train.label_smoothing),
        jit_compile=train.jit,
    )
    trained.optimizer.build(trained.trainable_variables)


def _loss(classes: int, smoothing: float) -> Any:
    if classes == 1:
        return keras.losses.BinaryCrossentropy(label_smoothing=smoothing)
    if not smoothing:
        return "sparse_categorical_crossentropy"

    def smoothed(targets: Any, probability: Any) -> Any:
        spread = ops.one_hot(ops.cast(targets, "int32"), classes) * (1 - smoothing) + smoothing / classes
        return ops.categorical_crossentropy(spread, probability)

    return smoothed


def _freeze_normalisation(network: keras.Model) -> None:
    """Keep the statistics that came with the weights: a small batch of few patients has worse ones."""
    for layer in network.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.trainable = False


@contextmanager
def _arithmetic(precision: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(POLICIES[precision])
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
