"""The gallery: films beside their heatmaps, the model's most confident errors first."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from pipelines.card import Card
from pipelines.evaluation.predictions import called, probabilities
from pipelines.overlay import as_rgb, overlay

FILM, GAP, LINE, TITLE, PER_GROUP = 164, 3, 16, 30, 4
MARGIN = 16


@dataclass(frozen=True)
class Tile:
    """One image of the gallery: its group, two lines of caption, and film and overlay side by side (h, w, 3) uint8."""

    image_id: str
    caption: str
    picture: np.ndarray


def gallery(table: pd.DataFrame, images: np.ndarray, heat: np.ndarray, card: Card) -> dict[str, list[Tile]]:
    """The tiles of one split by the title of their group; a group without images is empty.

    Args:
        table: of predictions, of the split.
        images: (n, height, width, channels) uint8, in the order of the table.
        heat: (n, rows, columns).
    """
    return {
        title: [_tile(table, row, images[row], heat[row], card) for row in rows[:PER_GROUP]]
        for title, rows in choose(table, card).items()
    }


def choose(table: pd.DataFrame, card: Card) -> dict[str, list[int]]:
    """Rows of the table in groups, the most confident answer of each group first."""
    guess, target = called(table, card.labels, card.threshold), table["target"].to_numpy()
    sure = probabilities(table, card.labels)[np.arange(len(table)), guess]
    if card.labels.positive is None:
        chosen = {"Called wrongly": guess != target, "Called rightly": guess == target}
    else:
        yes, right = guess == card.labels.positive_index, guess == target
        chosen = {
            "False negatives": ~yes & ~right,
            "False positives": yes & ~right,
            "True positives": yes & right,
            "True negatives": ~yes & right,
        }
    order = np.argsort(-sure, kind="stable")
    return {title: [int(row) for row in order if mask[row]] for title, mask in chosen.items()}


def sheet(splits: Mapping[str, Mapping[str, Sequence[Tile]]]) -> Image.Image:
    """All tiles on one white sheet, a row per group of a split."""
    rows = [(f"{split}: {title.lower()}", tiles) for split, groups in splits.items() for title, tiles in groups.items()]
    width, height = _tile_size(tiles for _, tiles in rows)
    row_height = TITLE + height + 2 * LINE + MARGIN
    page = Image.new("RGB", (MARGIN + PER_GROUP * (width + MARGIN), MARGIN + len(rows) * row_height), "white")
    for number, (title, tiles) in enumerate(rows):
        _draw_row(page, MARGIN + number * row_height, title, tiles)
    return page


def shorten(text: str, letters: ImageFont.FreeTypeFont, width: float) -> str:
    """The text, its middle replaced by an ellipsis where it is wider than `width` pixels."""
    if letters.getlength(text) <= width:
        return text
    kept = next(
        keep for keep in range(len(text) - 1, -1, -1) if letters.getlength(_middle_out(text, keep)) <= width or not keep
    )
    return _middle_out(text, kept)


def font(size: int, weight: str = "") -> ImageFont.FreeTypeFont:
    """The font of the plots, so that names in Greek or Cyrillic letters show as well."""
    return ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / f"DejaVuSans{weight}.ttf"), size)


def _draw_row(page: Image.Image, top: int, title: str, tiles: Sequence[Tile]) -> None:
    pen, small = ImageDraw.Draw(page), font(11)
    pen.text((MARGIN, top), title if tiles else f"{title}: none", fill="#24313d", font=font(14, "-Bold"))
    for column, tile in enumerate(tiles):
        picture = Image.fromarray(tile.picture)
        left, below = MARGIN + column * (picture.width + MARGIN), top + TITLE - 4 + picture.height
        page.paste(picture, (left, top + TITLE - 6))
        for line, text in enumerate((tile.image_id, tile.caption)):
            pen.text((left, below + line * LINE), shorten(text, small, picture.width), fill="#24313d", font=small)


def _tile(table: pd.DataFrame, row: int, film: np.ndarray, heat: np.ndarray, card: Card) -> Tile:
    values = table.iloc[row]
    size = (FILM, round(FILM * film.shape[0] / film.shape[1]))
    large = np.stack(
        [np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BICUBIC)) for plane in _planes(film)], axis=-1
    )
    gap = np.full((size[1], GAP, 3), 255, dtype=np.uint8)
    picture = np.hstack([as_rgb(large), gap, overlay(large, heat, card.heat_scale)])
    return Tile(str(values["image_id"]), _caption(values, card), picture)


def _planes(film: np.ndarray) -> Iterable[np.ndarray]:
    return (np.ascontiguousarray(film[:, :, channel]) for channel in range(film.shape[2]))


def _caption(values: pd.Series, card: Card) -> str:
    if card.labels.positive is not None:
        return f"{values['label']}: probability {values['probability']:.3f}, {values['decision']}"
    chances = {label: float(values[f"probability_{label}"]) for label in card.labels.names}
    guess = max(chances, key=lambda label: chances[label])
    return f"{values['label']}: called {guess}, probability {chances[guess]:.3f}"


def _tile_size(rows: Iterable[Sequence[Tile]]) -> tuple[int, int]:
    shapes = [tile.picture.shape for tiles in rows for tile in tiles] or [(FILM, 2 * FILM + GAP, 3)]
    return shapes[0][1], shapes[0][0]


def _middle_out(text: str, keep: int) -> str:
    head = keep // 2
    return f"{text[:head]}…{text[len(text) - (keep - head) :]}" if keep else "…"
