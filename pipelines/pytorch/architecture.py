"""The layers of a PyTorch network that is a plain chain, as `layer_facts` wants them, and what its convolutions see."""

from typing import Any

import numpy as np
import torch
from torch import nn

from pipelines.architecture.formulas import Layer, LayerFact, Window, facts
from pipelines.pytorch.state import array_of

KINDS: dict[type[nn.Module], str] = {
    nn.Conv2d: "convolution",
    nn.Linear: "dense",
    nn.MaxPool2d: "pooling",
    nn.AvgPool2d: "pooling",
    nn.Flatten: "flatten",
    nn.BatchNorm2d: "normalisation",
    nn.ZeroPad2d: "zero padding",
    nn.ReLU: "elementwise",
    nn.Tanh: "elementwise",
    nn.Identity: "elementwise",
    nn.Dropout: "elementwise",
    nn.Dropout2d: "elementwise",
}


def described(network: nn.Module, image: np.ndarray) -> list[LayerFact]:
    """Every layer by the formulas, next to what PyTorch made of it.

    Args:
        image: (height, width, channels) uint8.
    """
    seen = _outputs(network, image)
    names = [name for name, _, _ in seen]
    before = [(), *((name,) for name in names)]
    layers = [_layer(name, module, output, ahead) for (name, module, output), ahead in zip(seen, before, strict=False)]
    return facts(layers, image.shape)


def first_filters(network: nn.Module) -> np.ndarray:
    """Weights of the first convolution, (filters, rows, columns, channels)."""
    first = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
    return np.moveaxis(array_of(first.weight), 1, 3)


def feature_maps(network: nn.Module, image: np.ndarray) -> dict[str, np.ndarray]:
    """What each convolution makes of an image, (rows, columns, maps), by its name."""
    found = [(name, output) for name, module, output in _outputs(network, image) if isinstance(module, nn.Conv2d)]
    return {name: np.moveaxis(array_of(output)[0], 0, 2) for name, output in found}


def _outputs(network: nn.Module, image: np.ndarray) -> list[tuple[str, nn.Module, torch.Tensor]]:
    """Name, module and output of each module that has no parts, in the order in which an image meets them."""
    seen: list[tuple[str, nn.Module, torch.Tensor]] = []

    def told(name: str) -> Any:
        return lambda module, taken, output: seen.append((name, module, output))

    hooks = [
        module.register_forward_hook(told(name))
        for name, module in network.named_modules()
        if not list(module.children())
    ]
    network.eval()
    device = next(network.parameters()).device
    with torch.inference_mode():
        network(torch.from_numpy(np.array(image[np.newaxis])).to(device))
    for hook in hooks:
        hook.remove()
    return seen


def _layer(name: str, module: nn.Module, output: torch.Tensor, before: tuple[str, ...]) -> Layer:
    shape = tuple(output.shape[1:])
    return Layer(
        name=name,
        kind=KINDS.get(type(module), "other"),
        before=before,
        window=_window(module),
        filters=int(getattr(module, "out_channels", 0) or getattr(module, "out_features", 0)),
        bias=getattr(module, "bias", None) is not None,
        size=(*shape[1:], shape[0]) if len(shape) == 3 else shape,
        parameters=_numbers(module),
        groups=int(getattr(module, "groups", 1)),
    )


def _numbers(module: nn.Module) -> int:
    """Weights, and the statistics of a normalisation, which Keras counts as parameters, too."""
    kept = [*module.parameters(), *(buffer for buffer in module.buffers() if buffer.is_floating_point())]
    return sum(values.numel() for values in kept)


def _window(module: nn.Module) -> Window:
    if isinstance(module, nn.ZeroPad2d):
        left, right, top, bottom = module.padding
        return Window(zeros=(top + bottom, left + right))
    if not isinstance(module, (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)):
        return Window()
    sizes = _pair(module.kernel_size), _pair(module.stride)
    dilation = _pair(getattr(module, "dilation", 1))
    if isinstance(module.padding, str):
        return Window(*sizes, module.padding, dilation=dilation)
    rows, columns = _pair(module.padding)
    return Window(*sizes, zeros=(2 * rows, 2 * columns), dilation=dilation)


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))
