"""The PyTorch network for small pictures: two convolutions, pooling, a dense layer."""

from collections import OrderedDict

import torch
from torch import nn

from pipelines.errors import ModelError
from pipelines.recipe import ImageParams
from pipelines.recipe_models import TorchCnn as Sizes

KERNEL, POOL = 3, 2
SMALLEST_SIDE = 2 * (KERNEL - 1) + POOL
WHITE = 255.0


class TorchCnn(nn.Module):
    """Two unpadded 3x3 convolutions, pooling, a hidden dense layer, and the logits.

    Input shape: (n, height, width, channels), grey levels 0 to 255 of any type.
    Output shape: (n, 1), the logit of the positive class, or (n, outputs), one logit a class.

    Args:
        sizes: filters, dense units, dropout, and the mean and deviation that normalise grey levels scaled to [0, 1].
        image: height, width and channels.
        outputs: 1 with two classes, else as many as there are classes.

    Attributes:
        body: from normalised images (n, channels, height, width) to the last feature map (n, channels, rows, columns).
        head: from the last feature map to the logits.

    Raises:
        ModelError: the image is smaller than two convolutions and a pooling need.
    """

    def __init__(self, sizes: Sizes, image: ImageParams, outputs: int) -> None:
        super().__init__()
        if min(image.height, image.width) < SMALLEST_SIDE:
            raise ModelError(
                f"torch-cnn got images of {image.height} x {image.width} pixels. "
                f"Expected {SMALLEST_SIDE} or more on each side: enlarge image.height and image.width."
            )
        self.shift, self.scale = WHITE * sizes.mean, WHITE * sizes.deviation
        first, second = sizes.filters
        self.body = nn.Sequential(
            nn.Conv2d(image.channels, first, KERNEL),
            nn.ReLU(),
            nn.Conv2d(first, second, KERNEL),
            nn.ReLU(),
        )
        cells = pooled_side(image.height) * pooled_side(image.width)
        self.head = nn.Sequential(
            OrderedDict(
                pool=nn.MaxPool2d(POOL),
                dropout=nn.Dropout(sizes.dropout),
                flatten=nn.Flatten(),
                dense=nn.Linear(second * cells, sizes.dense),
                activation=nn.ReLU(),
                dense_dropout=nn.Dropout(sizes.dense_dropout),
                logit=nn.Linear(sizes.dense, outputs),
            )
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of images."""
        return self.head(self.features(images))

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """The last feature map, (n, channels, rows, columns), not negative."""
        normal = (images.float() - self.shift) / self.scale
        return self.body(normal.permute(0, 3, 1, 2))


def probability(logits: torch.Tensor) -> torch.Tensor:
    """From logits to probabilities of the same shape: of the positive class, or of every class."""
    return torch.sigmoid(logits) if logits.shape[1] == 1 else torch.softmax(logits, dim=1)


def pooled_side(side: int) -> int:
    """Pixels that are left of a side behind both convolutions and the pooling."""
    return (side - 2 * (KERNEL - 1)) // POOL
