"""Compiling a function of tensors with XLA, on the backends of Keras that do not compile the whole step anyway."""

from collections.abc import Callable
from typing import TypeVar

import keras

Function = TypeVar("Function", bound=Callable)


def compiled(function: Function) -> Function:
    """The same function, compiled by XLA for each shape of its arguments."""
    if keras.backend.backend() != "tensorflow":
        return function  # JAX compiles the step that calls it
    import tensorflow

    return tensorflow.function(function, jit_compile=True, autograph=False)
