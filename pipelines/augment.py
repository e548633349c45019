"""Augmentation: one random affine warp per image, resampled once, then contrast, brightness and noise.

Rotation, shift, shear, zoom and flip are composed into one matrix, so that an image is never resampled twice.
"""

from typing import Any

import keras
from keras import ops

from pipelines.recipe import AugmentParams

Tensor = Any  # of whichever backend Keras runs on

MIDDLE_GREY = 127.5
DEGREE = 3.141592653589793 / 180.0


class Augment(keras.layers.Layer):
    """Change images at random, within the limits of a recipe, in training only.

    Input shape: (n, height, width, channels), grey levels 0 to 255.
    Output shape: the same, float32, 0 to 255.
    """

    def __init__(self, limits: AugmentParams, seed: int, **options: Any) -> None:
        super().__init__(trainable=False, **options)
        self.limits = limits
        self.random = keras.random.SeedGenerator(seed)

    def call(self, images: Tensor, training: bool = False) -> Tensor:
        """Augmented images in training, the images as float32 otherwise."""
        images = ops.cast(images, "float32")
        if not training:
            return images
        grain = keras.random.normal(ops.shape(images), seed=self.random)
        return apply(images, self._draw(ops.shape(images)[0]), grain)

    def compute_output_spec(self, images: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        """Same shape, float32."""
        return keras.KerasTensor(images.shape, dtype="float32")

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


def apply(images: Tensor, change: dict[str, Tensor], grain: Tensor) -> Tensor:
    """Warp and shade images by given amounts.

    Args:
        images: (n, height, width, channels) float32, 0 to 255.
        change: one number per image, (n,) float32, for each of: rotation in degrees; shift_x, shift_y, shear, zoom,
            contrast, brightness and noise as shares; flip as 1 or -1.
        grain: noise of unit variance, of the images' shape.
    Returns:
        The changed images, float32, 0 to 255; what comes from outside an image is black.
    """
    matrix = inverse_affine(change, images.shape[1], images.shape[2])
    warped = ops.image.affine_transform(images, matrix, interpolation="bilinear", fill_mode="constant")
    contrasted = (warped - MIDDLE_GREY) * (1.0 + _per_image(change["contrast"])) + MIDDLE_GREY
    shade = _per_image(change["brightness"]) + _per_image(change["noise"]) * grain
    return ops.clip(contrasted + 255.0 * shade, 0.0, 255.0)


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
