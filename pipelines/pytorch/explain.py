"""The inference module: probability, heatmap and distance from one graph, in one pass.

Grad-CAM (Selvaraju et al. 2017, 10.1109/ICCV.2017.74) weighs each channel of the last feature map by the mean gradient
of the class score. The gradient passes the dense layers as a product of their weights, masked where the hidden layer is
dark; max pooling hands the gradient of each of its cells to one cell of the map, and so keeps the sum. No automatic
gradient is needed, and the graph exports like any other.
"""

import torch
from torch import nn

from pipelines.export.familiarity import FeatureStatistics
from pipelines.pytorch.network import TorchCnn, probability


class Inference(nn.Module):
    """The module that is exported.

    Input shape: (n, height, width, channels) uint8.
    Output: `probability` (n, classes); `heatmap` (n, rows, columns), not negative, the part of the logit that each cell
    adds; `distance` (n,), squared Mahalanobis distance of the pooled features from the training images.

    Args:
        network: trained; its weights must not change any more.
        statistics: of the pooled features of the training images.
        positive_index: column of the positive class, with two classes.
    """

    def __init__(self, network: TorchCnn, statistics: FeatureStatistics, positive_index: int) -> None:
        super().__init__()
        self.network, self.positive_index = network, positive_index
        device, channels = network.head.dense.weight.device, len(statistics.mean)
        by_channel = network.head.dense.weight.detach().unflatten(1, (channels, -1))
        self.register_buffer("channel_sums", by_channel.sum(dim=2))
        self.register_buffer("mean", torch.from_numpy(statistics.mean).to(device))
        self.register_buffer("whitening", torch.from_numpy(statistics.whitening).to(device))
        self.eval()

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Probability, heatmap and distance of images."""
        features, head = self.network.features(image), self.network.head
        hidden = head.activation(head.dense(head.flatten(head.pool(features))))
        logits = head.logit(hidden)
        return self._all_classes(logits), self._heatmap(features, hidden, logits), self._distance(features)

    def _all_classes(self, logits: torch.Tensor) -> torch.Tensor:
        chance = probability(logits)
        if chance.shape[1] != 1:
            return chance
        pair = [1 - chance, chance]
        return torch.cat(pair if self.positive_index == 1 else pair[::-1], dim=1)

    def _heatmap(self, features: torch.Tensor, hidden: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        """Heat for the class that is asked about: the positive one, or the most probable of many."""
        asked = self.network.head.logit.weight[logits.argmax(dim=1)]
        gradient = asked * (hidden > 0)
        weights = gradient @ self.channel_sums / (features.shape[2] * features.shape[3])
        return torch.relu((features * weights[:, :, None, None]).sum(dim=1))

    def _distance(self, features: torch.Tensor) -> torch.Tensor:
        away = features.double().mean(dim=(2, 3)) - self.mean.double()
        white = away.float() @ self.whitening
        return (white * white).sum(dim=1)
