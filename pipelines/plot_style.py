"""The one style of all plots: legible to the colour-blind and in greyscale."""

import io
from contextlib import AbstractContextManager
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

INK, SOFT, FAINT, DPI = "#24313d", "#8a96a1", "#d5dbe1", 130
# Okabe & Ito 2008: eight colours that people with any colour vision tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8A7F00")
DASHES = ("-", (0, (5, 2)), (0, (1, 1.2)))
STYLE: dict[Any, Any] = {
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.7,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
}


def styled() -> AbstractContextManager[None]:
    """Figures that are drawn in here have the style."""
    return mpl.rc_context(STYLE)


def as_png(figure: Figure) -> bytes:
    """A figure as a PNG file, as large as what is drawn on it: no legend is cut off, however many lines it has."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=DPI, bbox_inches="tight", pad_inches=0.08)
    return file.getvalue()
