"""What a network says of any number of images, a batch at a time."""

from collections.abc import Callable

import numpy as np
import torch

from pipelines.pytorch.network import TorchCnn, probability
from pipelines.pytorch.state import array_of


def probabilities(network: TorchCnn, images: np.ndarray, batch: int) -> np.ndarray:
    """(n, 1) float32 of the positive class with two classes, (n, classes) with more.

    Args:
        network: on its device; it is left in evaluation mode.
        images: (n, height, width, channels) uint8, on disk or in memory.
        batch: images at once.
    """
    return _in_batches(network, lambda part: probability(network(part)), images, batch)


def pooled_features(network: TorchCnn, images: np.ndarray, batch: int) -> np.ndarray:
    """Mean of each channel of the last feature map, (n, channels) float32; arguments as of `probabilities`."""
    return _in_batches(network, lambda part: network.features(part).mean(dim=(2, 3)), images, batch)


@torch.inference_mode()
def _in_batches(
    network: TorchCnn, ask: Callable[[torch.Tensor], torch.Tensor], images: np.ndarray, batch: int
) -> np.ndarray:
    network.eval()
    device = next(network.parameters()).device
    starts = range(0, len(images), batch)
    parts = (torch.from_numpy(np.array(images[start : start + batch])) for start in starts)
    return np.concatenate([array_of(ask(part.to(device))) for part in parts])
