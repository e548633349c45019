"""A device that is out of memory, told in one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from pipelines.errors import OutOfMemoryError
from pipelines.training.memory import memory_sentence

ALLOCATOR_SAYS = ("DefaultCPUAllocator", "not enough memory")  # PyTorch has no class of its own for the processor's


@contextmanager
def out_of_memory_named(batch: int) -> Iterator[None]:
    """Turn a lack of memory into one sentence with the batch size to try.

    Args:
        batch: images a step.
    Raises:
        OutOfMemoryError: the device, or this machine, ran out of memory.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not _is_lack_of_memory(error):
            raise
        raise OutOfMemoryError(memory_sentence(batch)) from None


def _is_lack_of_memory(error: Exception) -> bool:
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return any(words in str(error) for words in ALLOCATOR_SAYS)
