"""Does the heatmap show what the model learnt? Its head is shuffled, and the heatmaps are compared.

The model randomisation test of Adebayo et al. 2018, "Sanity checks for saliency maps" (arXiv 1810.03292): an
explanation that stays the same with random weights explains the image, not the model. Here the weights of the dense
layers between the last feature map and the logits are permuted within each kernel and each bias. That is the first step
of their cascade; the layers before it stay, as they are often borrowed from ImageNet.

A permutation keeps the sizes and the signs of the weights, so a heatmap that owes its shape to the mean of the features
alone stays as it was, and fails.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import numpy as np
from scipy.stats import rankdata

from pipelines.export.familiarity import FeatureStatistics
from pipelines.inference import Graph
from pipelines.training.learner import Learner

IMAGES = 64
SHUFFLES = 5  # of one model they differ by 0.1 to 0.2 (standard deviation)
# Heat that ignores the head has 1. Heat that heeds it does not have 0, as both maps are sums of the same few features:
# trained models had 0.05 and 0.2 on digits, 0.26 on phantom films (0.39 at most, of 20 times five shuffles), 0.28 and
# 0.41 on real ones. Weights drawn anew instead, with random signs or from a normal distribution, gave the same.
LIMIT = 0.5


def randomisation(
    learner: Learner, statistics: FeatureStatistics, images: np.ndarray, heat: np.ndarray, rng: np.random.Generator
) -> dict[str, Any]:
    """Compare heatmaps with those of the same model with a shuffled head.

    Args:
        learner: trained; its weights are the same afterwards.
        statistics: of the features of the training images.
        images: (n, height, width, channels) uint8; up to IMAGES of them, evenly spaced, are compared.
        heat: (n, rows, columns), what the model's file answers to all of them.
    Returns:
        `images` that were compared, those whose heat differs from cell to cell; `shuffles`; `similarity`, the mean
        absolute rank correlation in [0, 1], 0 where a shuffled heatmap is constant; `constant`, the share of these; the
        `limit`; and whether it `passed`: with a similarity below the limit. Without any heat there is no similarity
        (None), and it did not pass.
    """
    chosen = np.unique(np.linspace(0, len(images) - 1, IMAGES).astype(int))
    chosen = chosen[~constant(heat[chosen])]
    told: dict[str, Any] = {"images": len(chosen), "shuffles": SHUFFLES, "limit": LIMIT}
    if not len(chosen):
        return told | {"similarity": None, "constant": None, "passed": False}
    draw, shuffled = _drawing(learner, statistics), []
    for _ in range(SHUFFLES):
        with shuffled_head(learner, rng):
            shuffled.append(draw(np.array(images[chosen])))
    similarity = float(np.mean([rank_correlation(heat[chosen], other) for other in shuffled]))
    blank = float(np.mean([constant(other) for other in shuffled]))
    return told | {"similarity": similarity, "constant": blank, "passed": similarity < LIMIT}


@contextmanager
def shuffled_head(learner: Learner, rng: np.random.Generator) -> Iterator[None]:
    """Permute each kernel and each bias of the head's dense layers; afterwards they are exactly as before."""
    tensors = _head(learner)
    learnt = [_array(tensor) for tensor in tensors]
    try:
        for tensor, array in zip(tensors, learnt, strict=True):
            _assign(tensor, rng.permutation(array.ravel()).reshape(array.shape))
        yield
    finally:
        for tensor, array in zip(tensors, learnt, strict=True):
            _assign(tensor, array)


def rank_correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Absolute Spearman rank correlation of two stacks of heatmaps, (n, rows, columns) each, image by image.

    Returns:
        (n,) in [0, 1]; 0 where a heatmap is constant.
    """
    first, second = _ranks(one), _ranks(other)
    length = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    together = np.abs((first * second).sum(axis=1))
    return np.divide(together, length, out=np.zeros_like(length), where=length > 0)


def constant(heat: np.ndarray) -> np.ndarray:
    """Which of n heatmaps (n, rows, columns) are the same in every cell, (n,) bool."""
    return np.ptp(heat, axis=(1, 2)) == 0


def _drawing(learner: Learner, statistics: FeatureStatistics) -> Callable[[np.ndarray], np.ndarray]:
    """What draws the heatmaps of images with the weights that the model then has."""
    if learner.framework != "keras":
        return lambda images: _exported_heat(learner, statistics, images)
    from pipelines.export.explain import inference_model  # Keras, which other kinds of model do not need

    whole = inference_model(cast(Any, learner).network, statistics, 0)  # whose layers are those of the network
    return lambda images: np.asarray(whole(images)["heatmap"])


def _exported_heat(learner: Learner, statistics: FeatureStatistics, images: np.ndarray) -> np.ndarray:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        learner.export(path, statistics, images[:1])
        return Graph(path).answer_all(images).heatmap


def _ranks(heat: np.ndarray) -> np.ndarray:
    """Ranks of the cells of each heatmap about their mean, (n, cells)."""
    ranks = rankdata(heat.reshape(len(heat), -1), axis=1)
    return ranks - ranks.mean(axis=1, keepdims=True)


def _head(learner: Learner) -> list[Any]:
    """Kernels and biases of the head's dense layers: PyTorch's parameters or Keras' variables."""
    network = cast(Any, learner).network
    if learner.framework == "torch":
        return list(network.head.parameters())  # only its dense layers have any
    from pipelines.export.explain import head_layers  # Keras, which nothing else here needs

    return [tensor for layer in head_layers(network) if hasattr(layer, "kernel") for tensor in layer.weights]


def _array(tensor: Any) -> np.ndarray:
    """A copy of the weights, which does not follow them."""
    return np.array(tensor.detach().cpu() if hasattr(tensor, "detach") else tensor)


def _assign(tensor: Any, array: np.ndarray) -> None:
    if hasattr(tensor, "detach"):
        tensor.data.copy_(tensor.data.new_tensor(array))
    else:
        tensor.assign(array)
