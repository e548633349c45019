"""The contact sheet: each kind of augmentation at both ends of its range, so that a person can say `too much`."""

import numpy as np
from keras import ops
from PIL import Image, ImageDraw, ImageFont

from pipelines.recipe import AugmentParams
from pipelines.training.augment import apply

STILL = {
    "rotation": 0.0,
    "shift_x": 0.0,
    "shift_y": 0.0,
    "shear": 0.0,
    "zoom": 0.0,
    "flip": 1.0,
    "contrast": 0.0,
    "brightness": 0.0,
    "noise": 0.0,
}
TILE, GAP, LINE = 128, 6, 18


def contact_sheet(images: np.ndarray, limits: AugmentParams) -> Image.Image:
    """One row per image, one column per extreme of each change that the recipe allows.

    Args:
        images: (n, height, width, channels) uint8.
    """
    columns = extremes(limits)
    width = len(columns) * (TILE + GAP) + GAP
    sheet = Image.new("L" if images.shape[3] == 1 else "RGB", (width, len(images) * (TILE + GAP) + LINE + GAP), 255)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for column, (caption, amounts) in enumerate(columns.items()):
        left = GAP + column * (TILE + GAP)
        pen.text((left + TILE / 2, 3), caption, fill=0, font=font, anchor="ma")
        for row, picture in enumerate(changed(images, amounts)):
            sheet.paste(_tile(picture), (left, LINE + GAP + row * (TILE + GAP)))
    return sheet


def extremes(limits: AugmentParams) -> dict[str, dict[str, float]]:
    """The changes to show, by their caption; the first is none."""
    columns: dict[str, dict[str, float]] = {"as it is": {}}
    for name, unit in (
        ("rotation", "°"),
        ("shift", ""),
        ("shear", ""),
        ("zoom", ""),
        ("contrast", ""),
        ("brightness", ""),
    ):
        if limit := getattr(limits, name):
            for sign in (-1, 1):
                keys = ("shift_x", "shift_y") if name == "shift" else (name,)
                columns[f"{name} {sign * limit:+g}{unit}"] = dict.fromkeys(keys, sign * limit)
    if limits.flip:
        columns["flip"] = {"flip": -1.0}
    if limits.noise:
        columns[f"noise {limits.noise:g}"] = {"noise": limits.noise}
    return columns


def changed(images: np.ndarray, amounts: dict[str, float]) -> np.ndarray:
    """Images after one change, (n, height, width, channels) uint8."""
    grain = np.random.default_rng(0).normal(size=images.shape).astype(np.float32)
    change = {
        name: ops.full((len(images),), amounts.get(name, still), dtype="float32") for name, still in STILL.items()
    }
    result = apply(ops.convert_to_tensor(images.astype(np.float32)), change, ops.convert_to_tensor(grain))
    return np.round(ops.convert_to_numpy(result)).astype(np.uint8)


def _tile(picture: np.ndarray) -> Image.Image:
    shown = Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else picture)
    shown.thumbnail((TILE, TILE), Image.Resampling.BILINEAR)
    return shown.resize((TILE, round(TILE * shown.height / shown.width)), Image.Resampling.BILINEAR)
