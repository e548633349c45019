"""Augmentation: one random affine warp per image, resampled once, then contrast, brightness and noise.

Rotation, shift, shear, zoom and flip are composed into one matrix, so that an image is never resampled twice. All of it
is `keras.ops`, compiled by XLA into one loop over the pixels, inside the training step and on its device.
"""

from typing import Any

import keras
from keras import ops

from pipelines.recipe import AugmentParams
from pipelines.training.compiled import compiled

Tensor = Any  # of whichever backend Keras runs on

MIDDLE_GREY = 127.5
DEGREE = 3.141592653589793 / 180.0


class Augment(keras.layers.Layer):
    """Change images at random, within the limits of a recipe: in training, or always.

    Input shape: (n, height, width, channels), grey levels 0 to 255.
    Output shape: the same, float32, 0 to 255.
    """

    def __init__(self, limits: AugmentParams, seed: int, always: bool = False, **options: Any) -> None:
        super().__init__(trainable=False, **options)
        self.limits, self.always = limits, always
        self.random = keras.random.SeedGenerator(seed)
        self._changed = compiled(self._change)

    def call(self, images: Tensor, training: bool = False) -> Tensor:
        """Augmented images, or the images as float32."""
        if not ((training or self.always) and any(self.limits.model_dump().values())):
            return ops.cast(images, "float32")
        grain = keras.random.normal(ops.shape(images), seed=self.random) if self.limits.noise else None
        return self._changed(images, self._draw(ops.shape(images)[0]), grain)

    def compute_output_spec(self, images: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        """Same shape, float32."""
        return keras.KerasTensor(images.shape, dtype="float32")

    def _change(self, images: Tensor, change: dict[str, Tensor], grain: Tensor | None) -> Tensor:
        return apply(images, change, grain)

    def _draw(self, count: int) -> dict[str, Tensor]:
        def uniform(low: float, high: float) -> Tensor:
            return keras.random.uniform((count,), low, high, seed=self.random)

        limits = self.limits
        return {
            "rotation": uniform(-limits.rotation, limits.rotation),
            "shift_x": uniform(-limits.shift, limits.shift),
            "shift_y": uniform(-limits.shift, limits.shift),
            "shear": uniform(-limits.shear, limits.shear),
            "zoom": uniform(-limits.zoom, limits.zoom),
            "flip": ops.where(uniform(0.0, 1.0) < 0.5 * limits.flip, -1.0, 1.0),
            "contrast": uniform(-limits.contrast, limits.contrast),
            "brightness": uniform(-limits.brightness, limits.brightness),
            "noise": uniform(0.0, limits.noise),
        }


def apply(images: Tensor, change: dict[str, Tensor], grain: Tensor | None) -> Tensor:
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
    shaded += 255.0 * _per_image(change["brightness"])
    if grain is not None:
        shaded += 255.0 * _per_image(change["noise"]) * grain
    return ops.clip(shaded, 0.0, 255.0)


def resample(images: Tensor, matrix: Tensor) -> Tensor:
    """Each pixel of the result from its place in the source, bilinear between the four pixels around it.

    Equal to `keras.ops.image.affine_transform` with constant fill. Written with gathers, which XLA makes one loop of,
    it is several times as fast on processors, and has a compiled form where that has none.

    Args:
        images: (n, height, width, channels), of any type.
        matrix: (n, 8), as `inverse_affine` gives it.
    Returns:
        The same shape, float32.
    """
    count, (height, width, channels) = ops.shape(images)[0], images.shape[1:]
    a0, a1, a2, b0, b1, b2 = (matrix[:, place, None, None] for place in range(6))
    column = ops.arange(width, dtype="float32")[None, None, :]
    row = ops.arange(height, dtype="float32")[None, :, None]
    x, y = a0 * column + a1 * row + a2, b0 * column + b1 * row + b2
    left, top = ops.floor(x), ops.floor(y)
    right_share, lower_share = x - left, y - top
    first = (ops.arange(count, dtype="int32") * (height * width))[:, None, None]
    pixels = ops.reshape(images, (-1, channels))

    def part(down: int, right: int) -> Tensor:
        at_x, at_y = ops.cast(left, "int32") + right, ops.cast(top, "int32") + down
        inside = (at_x >= 0) & (at_x < width) & (at_y >= 0) & (at_y < height)
        place = first + ops.clip(at_y, 0, height - 1) * width + ops.clip(at_x, 0, width - 1)
        share = (right_share if right else 1.0 - right_share) * (lower_share if down else 1.0 - lower_share)
        found = ops.cast(ops.take(pixels, ops.reshape(place, (-1,)), axis=0), "float32")
        return found * ops.reshape(ops.where(inside, share, 0.0), (-1, 1))

    mixed = part(0, 0) + part(0, 1) + part(1, 0) + part(1, 1)
    return ops.reshape(mixed, (-1, height, width, channels))


def inverse_affine(change: dict[str, Tensor], height: int, width: int) -> Tensor:
    """For each image the eight numbers that lead from a pixel of the result to its place in the source.

    Returns:
        (n, 8) float32: a0 a1 a2 b0 b1 b2 0 0, with x' = a0 x + a1 y + a2 and y' = b0 x + b1 y + b2.
    """
    angle, zoom = change["rotation"] * DEGREE, 1.0 + change["zoom"]
    cosine, sine = ops.cos(angle) / zoom, ops.sin(angle) / zoom
    a0, a1 = change["flip"] * cosine, change["flip"] * (sine + change["shear"] * cosine)
    b0, b1 = -sine, cosine - change["shear"] * sine
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    x, y = middle_x + change["shift_x"] * width, middle_y + change["shift_y"] * height
    a2, b2 = middle_x - (a0 * x + a1 * y), middle_y - (b0 * x + b1 * y)
    nothing = ops.zeros_like(a0)
    return ops.stack([a0, a1, a2, b0, b1, b2, nothing, nothing], axis=1)


def _per_image(amounts: Tensor) -> Tensor:
    return ops.reshape(amounts, (-1, 1, 1, 1))
