"""Where a Keras model is trained: one device, all GPUs of this machine, or several machines, by `tf.distribute`."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from pipelines.errors import ModelError, OutOfMemoryError
from pipelines.training.memory import memory_sentence

Strategy = Any  # tf.distribute.Strategy


def strategy_of(devices: str) -> Strategy | None:
    """How training is spread; None for one device.

    Args:
        devices: `one`, `all` (MirroredStrategy: every GPU of this machine) or `workers` (MultiWorkerMirroredStrategy:
            the machines that the environment variable TF_CONFIG names; each runs the same command).
    Raises:
        ModelError: Keras runs on another backend than TensorFlow, or TF_CONFIG is missing.
    """
    if devices == "one":
        return None
    if keras.backend.backend() != "tensorflow":
        raise ModelError(
            f"train.devices is {devices}, and Keras runs on {keras.backend.backend()}. "
            "Expected the TensorFlow backend for several devices: unset KERAS_BACKEND, or set train.devices: one."
        )
    import tensorflow

    if devices == "all":
        return tensorflow.distribute.MirroredStrategy()
    if "TF_CONFIG" not in os.environ:
        raise ModelError(
            "train.devices is workers, and the environment variable TF_CONFIG is not set. Expected the addresses of "
            "all workers and this one's number (see CONTRIBUTING.md): set it, or set train.devices: one."
        )
    return tensorflow.distribute.MultiWorkerMirroredStrategy()


def is_chief() -> bool:
    """Whether this process is the one that writes: the first worker, or the only one."""
    task = json.loads(os.environ.get("TF_CONFIG", "{}")).get("task", {})
    return task.get("type", "worker") in ("worker", "chief") and int(task.get("index", 0)) == 0


def model_class(strategy: Strategy | None) -> type[keras.Model]:
    """The class of the model that is trained under a strategy."""
    return WorkersModel if strategy and not _local(strategy) else keras.Model


class WorkersModel(keras.Model):
    """A built model whose step runs on each of several machines.

    `fit` of Keras 3.15 takes the mean over all machines of batches and of figures, which TensorFlow cannot; the loss
    metric is summed over the machines by TensorFlow itself, whenever it is read.
    """

    def make_train_function(self, force: bool = False) -> None:
        """One step on every replica; what it tells is this machine's."""
        import tensorflow

        strategy = self.distribute_strategy

        @tensorflow.function
        def step(iterator: Any) -> Any:
            told = strategy.run(self.train_step, args=(next(iterator),))
            return tensorflow.nest.map_structure(lambda value: strategy.experimental_local_results(value)[0], told)

        self.train_function = step

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        return


@contextmanager
def out_of_memory_named(batch: int) -> Iterator[None]:
    """Turn a device that is out of memory into one sentence with the batch size to try.

    Raises:
        OutOfMemoryError: the device ran out of memory.
    """
    try:
        yield
    except Exception as error:
        if type(error).__name__ != "ResourceExhaustedError" and "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise OutOfMemoryError(memory_sentence(batch)) from None


def _local(strategy: Strategy) -> bool:
    return bool(strategy.num_replicas_in_sync == len(strategy.extended.worker_devices))
