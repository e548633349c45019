"""Tensors as NumPy arrays and back: what a checkpoint holds, without pickle."""

import numpy as np
import torch
from torch import nn


def array_of(tensor: torch.Tensor) -> np.ndarray:
    """A tensor's values; they share its memory where that is the processor's."""
    return tensor.detach().cpu().numpy()


def weights_of(network: nn.Module) -> dict[str, np.ndarray]:
    """The network's weights as they are now, which further training does not change."""
    return {name: array_of(value).copy() for name, value in network.state_dict().items()}


def set_weights(network: nn.Module, weights: dict[str, np.ndarray]) -> None:
    """Give the network weights that `weights_of` took."""
    network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})


def under(folder: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays whose names begin with `folder/`, by the rest of the name."""
    start = f"{folder}/"
    return {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}
