"""Two hospitals: other machines, film curves and habits, so that a model of one must prove itself at the other."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Hospital:
    """How films of one hospital look.

    Args:
        name: of the hospital; its patients' names begin with `initial`.
        contrast: steepness of the film curve, 1 at the home hospital; `toe` is the grey of the darkest parts.
        crisp: strength of edge enhancement by the processor.
        noise: of a film at mean exposure, in shares of the grey range.
        blur: of the detector, standard deviation in thousandths of the film's side.
        scatter: share of scattered rays.
        border: widest collimated border as a share of the film's side.
        bedside: share of films taken AP, at the bed.
        age: mean age in years.
        marker: which letter marks the side, where it stands (shares of the side) and how high it is.
        framed: whether the letter has a ring around it.
    """

    name: str
    initial: str
    contrast: float
    toe: float
    crisp: float
    noise: float
    blur: float
    scatter: float
    border: float
    bedside: float
    age: float
    marker: str
    marker_at: tuple[float, float]
    marker_height: float
    framed: bool


RIVERSIDE = Hospital(
    "riverside",
    "P",
    contrast=1.0,
    toe=0.0,
    crisp=0.25,
    noise=0.009,
    blur=2.4,
    scatter=0.25,
    border=0.0,
    bedside=0.25,
    age=54,
    marker="L",
    marker_at=(0.90, 0.08),
    marker_height=0.065,
    framed=False,
)
HILLTOP = Hospital(
    "hilltop",
    "H",
    contrast=1.25,
    toe=0.04,
    crisp=0.7,
    noise=0.012,
    blur=3.6,
    scatter=0.34,
    border=0.05,
    bedside=0.45,
    age=63,
    marker="R",
    marker_at=(0.10, 0.14),
    marker_height=0.05,
    framed=True,
)
HOSPITALS = (RIVERSIDE, HILLTOP)
