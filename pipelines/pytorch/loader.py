"""The project's input path as a PyTorch data loader."""

from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader, IterableDataset

from pipelines.training.batches import Batch, Batches


class Epoch(IterableDataset):
    """The batches of one epoch from a step on, as NumPy arrays; the next one is read while one is worked on."""

    def __init__(self, batches: Batches, epoch: int, start: int) -> None:
        super().__init__()
        self.batches, self.epoch, self.start = batches, epoch, start

    def __iter__(self) -> Iterator[Batch]:
        """Images uint8, targets int64 and weights float32 of each step."""
        return self.batches.epoch(self.epoch, self.start)


def loader(batches: Batches, epoch: int, start: int, pinned: bool) -> DataLoader:
    """Batches as tensors that share the memory of the arrays.

    Args:
        batches: the input path, which batches and shuffles by itself.
        epoch: counted from 0.
        start: the first step.
        pinned: copy each batch into page-locked memory, from which a GPU reads while it computes.
    """
    # Starting a loader draws a seed for its workers, of which there are none: not from the stream that dropout reads.
    unused = torch.Generator()
    return DataLoader(Epoch(batches, epoch, start), batch_size=None, pin_memory=pinned, generator=unused)
