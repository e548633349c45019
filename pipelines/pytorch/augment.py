"""Augmentation in PyTorch, equal to that in Keras: one affine warp and one resampling, then shading and noise."""

import math

import torch
from torch.nn import functional

from pipelines.recipe import AugmentParams

MIDDLE_GREY, GREY_RANGE = 127.5, 255.0
SIGNED = ("rotation", "shift_x", "shift_y", "shear", "zoom", "contrast", "brightness")  # drawn either way


class Augment:
    """Change images at random, within the limits of a recipe.

    Args:
        limits: the largest changes; with none at all, images come back as they are.
        seed: of the changes; where the stream of random numbers stands is kept in `generator`.
        device: of the images.
    """

    def __init__(self, limits: AugmentParams, seed: int, device: torch.device) -> None:
        self.limits = limits
        self.generator = torch.Generator(device).manual_seed(seed)
        self._off = not any(limits.model_dump().values())
        either_way = {**limits.model_dump(), "shift_x": limits.shift, "shift_y": limits.shift}
        self._largest = torch.tensor([[either_way[name]] for name in SIGNED], dtype=torch.float32, device=device)

    @torch.no_grad()
    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Augmented images (n, height, width, channels), grey levels 0 to 255."""
        if self._off:
            return images
        change, grain = self._draw(len(images)), None
        if self.limits.noise:
            grain = torch.randn(images.shape, generator=self.generator, device=images.device)
        return apply(images, change, grain)

    def _draw(self, count: int) -> dict[str, torch.Tensor]:
        device = self._largest.device
        chance = torch.rand((len(SIGNED) + 2, count), generator=self.generator, device=device)
        change = dict(zip(SIGNED, (2 * chance[:-2] - 1) * self._largest, strict=True))
        change["flip"] = 1.0 - 2.0 * (chance[-2] < 0.5 * self.limits.flip).float()
        change["noise"] = chance[-1] * self.limits.noise
        return change


def apply(images: torch.Tensor, change: dict[str, torch.Tensor], grain: torch.Tensor | None) -> torch.Tensor:
    """Warp and shade images by given amounts.

    Args:
        images: (n, height, width, channels), 0 to 255, of any type.
        change: one number per image, (n,) float32, for each of: rotation in degrees; shift_x, shift_y, shear, zoom,
            contrast, brightness and noise as shares; flip as 1 or -1.
        grain: noise of unit variance, of the images' shape, or None for none.
    Returns:
        The changed images, float32, 0 to 255; what comes from outside an image is black.
    """
    warped = resample(images, inverse_affine(change, images.shape[1], images.shape[2]))
    shaded = (warped - MIDDLE_GREY) * (1.0 + _per_image(change["contrast"])) + MIDDLE_GREY
    shaded += GREY_RANGE * _per_image(change["brightness"])
    if grain is not None:
        shaded += GREY_RANGE * _per_image(change["noise"]) * grain
    return shaded.clamp_(0.0, GREY_RANGE)


def resample(images: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """Each pixel of the result from its place in the source, bilinear between the four pixels around it.

    Args:
        images: (n, height, width, channels), of any type.
        matrix: (n, 2, 3), as `inverse_affine` gives it.
    Returns:
        The same shape, float32.
    """
    height, width = images.shape[1:3]
    row, column = torch.meshgrid(
        torch.arange(height, dtype=torch.float32, device=images.device),
        torch.arange(width, dtype=torch.float32, device=images.device),
        indexing="ij",
    )
    places = torch.stack([column, row, torch.ones_like(row)], dim=-1) @ matrix.transpose(1, 2)[:, None]
    # grid_sample counts from -1 to 1 between the outer edges of the pixels, of which ours is at its middle.
    grid = (2.0 * places + 1.0) / torch.tensor([width, height], dtype=torch.float32, device=images.device) - 1.0
    planes = images.permute(0, 3, 1, 2).float()
    found = functional.grid_sample(planes, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return found.permute(0, 2, 3, 1)


def inverse_affine(change: dict[str, torch.Tensor], height: int, width: int) -> torch.Tensor:
    """For each image the matrix that leads from a pixel (x, y, 1) of the result to its place (x', y') in the source.

    Returns:
        (n, 2, 3) float32.
    """
    angle, zoom = change["rotation"] * (math.pi / 180.0), 1.0 + change["zoom"]
    cosine, sine = torch.cos(angle) / zoom, torch.sin(angle) / zoom
    a0, a1 = change["flip"] * cosine, change["flip"] * (sine + change["shear"] * cosine)
    b0, b1 = -sine, cosine - change["shear"] * sine
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    x, y = middle_x + change["shift_x"] * width, middle_y + change["shift_y"] * height
    a2, b2 = middle_x - (a0 * x + a1 * y), middle_y - (b0 * x + b1 * y)
    return torch.stack([a0, a1, a2, b0, b1, b2], dim=1).unflatten(1, (2, 3))


def _per_image(amounts: torch.Tensor) -> torch.Tensor:
    return amounts[:, None, None, None]
