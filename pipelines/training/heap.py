"""What the C library does with memory that a training step gives back."""

import ctypes
import sys

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # of mallopt, in malloc.h
LARGEST_BLOCK = 32 * 2**20  # bytes; glibc takes no more
NEVER = 2**31 - 1


def keep_freed_memory() -> None:
    """Let glibc keep freed blocks of up to 32 MiB for the next ones; with another C library nothing happens.

    TensorFlow 2.21 sets `M_MMAP_THRESHOLD` to 128 KiB whenever it makes a dataset of a Python generator, as `fit` does.
    Every tensor above that is then mapped anew, page by page, in every step, which costs a third of a processor's speed
    or more (`python -m benchmarks.training`). So this is to be called when the generator is asked for its first batch.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(MMAP_THRESHOLD, LARGEST_BLOCK)
        mallopt(TRIM_THRESHOLD, NEVER)
