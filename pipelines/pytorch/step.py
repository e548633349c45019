"""One step of training: augment, forward, backward, and Adam with decoupled weight decay."""

from typing import Any

import numpy as np
import torch
from torch.nn import functional

from pipelines.pytorch.augment import Augment
from pipelines.pytorch.network import TorchCnn
from pipelines.pytorch.state import array_of, under
from pipelines.recipe import AugmentParams, TrainParams

ARITHMETIC = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class Step:
    """Changes a network by one batch; `state` is all that it carries from one step to the next.

    Args:
        network: on its device, in training mode.
        augment: limits of the random changes of the images.
        train: the numbers of the recipe.
    """

    def __init__(self, network: TorchCnn, augment: AugmentParams, train: TrainParams) -> None:
        self.network, self.train = network, train
        self.device = next(network.parameters()).device
        self.augment = Augment(augment, train.seed, self.device)
        self.optimizer = torch.optim.AdamW(
            network.parameters(), lr=train.learning_rate, weight_decay=train.weight_decay, fused=True
        )
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=train.precision == "float16")

    def __call__(self, images: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor, rate: float) -> torch.Tensor:
        """Learn from a batch.

        Args:
            images: (n, height, width, channels) uint8.
            targets: (n,) int64.
            weights: (n,) float32.
            rate: learning rate.
        Returns:
            The batch's loss, summed over its images, a scalar on the device.
        """
        images, targets, weights = (part.to(self.device, non_blocking=True) for part in (images, targets, weights))
        changed = self.augment(images)
        with torch.autocast(
            self.device.type, ARITHMETIC[self.train.precision], enabled=self.train.precision != "float32"
        ):
            logits = self.network(changed)
        losses = weights * loss(logits.float(), targets, self.train.label_smoothing)
        self._descend(losses.mean(), rate)
        return losses.detach().sum()

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Optimiser and random streams as arrays, and what JSON can hold."""
        arrays = {
            f"optimizer/{place}/{name}": array_of(value)
            for place, moments in self.optimizer.state_dict()["state"].items()
            for name, value in moments.items()
        }
        arrays["random/augment"] = array_of(self.augment.generator.get_state())
        arrays["random/processor"] = array_of(torch.get_rng_state())
        if self.device.type == "cuda":
            arrays["random/device"] = array_of(torch.cuda.get_rng_state(self.device))
        return arrays, {"device": self.device.type, "scaler": self.scaler.state_dict()}

    def restore(self, arrays: dict[str, np.ndarray], told: dict[str, Any]) -> None:
        """Go on where another one was; on another kind of device the random streams begin anew."""
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for path, array in under("optimizer", arrays).items():
            place, name = path.split("/")
            moments.setdefault(int(place), {})[name] = torch.from_numpy(array)
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        if told["device"] != self.device.type:
            return
        if told["scaler"]:
            self.scaler.load_state_dict(told["scaler"])
        self.augment.generator.set_state(torch.from_numpy(arrays["random/augment"]))
        torch.set_rng_state(torch.from_numpy(arrays["random/processor"]))
        if "random/device" in arrays:
            torch.cuda.set_rng_state(torch.from_numpy(arrays["random/device"]), self.device)

    def _descend(self, mean_loss: torch.Tensor, rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        self.scaler.scale(mean_loss).backward()
        if self.train.clip_norm is not None:
            self.scaler.unscale_(self.optimizer)
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.train.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()


def loss(logits: torch.Tensor, targets: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Cross-entropy of each image, (n,).

    Args:
        logits: (n, 1) of the positive class, or (n, classes).
        targets: (n,) int64.
        smoothing: share of the target that is spread over all classes (Szegedy et al. 2016, 10.1109/CVPR.2016.308).
    """
    if logits.shape[1] == 1:
        meant = targets.float() * (1 - smoothing) + smoothing / 2
        return functional.binary_cross_entropy_with_logits(logits[:, 0], meant, reduction="none")
    return functional.cross_entropy(logits, targets, reduction="none", label_smoothing=smoothing)
