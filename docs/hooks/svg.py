"""Pieces of a drawing, as text of SVG. Colours come from the page: `docs/drawing.css` names them."""

from collections.abc import Iterable, Sequence
from html import escape

Point = tuple[float, float]


def picture(width: float, height: float, title: str, pieces: Iterable[str]) -> str:
    """A drawing of that size, which shrinks with the page, and its title for those who do not see it."""
    inside = "\n".join(pieces)
    return (
        f'<svg class="drawing" viewBox="0 0 {width:g} {height:g}" style="max-width: {width:g}px" role="img" '
        f'aria-label="{escape(title, quote=True)}" xmlns="http://www.w3.org/2000/svg">\n{inside}\n</svg>'
    )


def box(x: float, y: float, width: float, height: float, kind: str, radius: float = 6) -> str:
    """A rounded box."""
    return f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{radius:g}"/>'


def text(x: float, y: float, words: str, kind: str, anchor: str = "start") -> str:
    """A line of text, whose baseline begins, ends or has its middle at a point."""
    return f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(words)}</text>'


def path(points: Sequence[Point], kind: str, radius: float = 7) -> str:
    """A line through points, its corners rounded."""
    (x, y), *rest = points
    said = [f"M {x:g} {y:g}"]
    for number, corner in enumerate(rest[:-1]):
        before, after = ([(x, y), *rest][number], rest[number + 1])
        start, end = _near(corner, before, radius), _near(corner, after, radius)
        said.append(f"L {start[0]:g} {start[1]:g} Q {corner[0]:g} {corner[1]:g} {end[0]:g} {end[1]:g}")
    said.append(f"L {rest[-1][0]:g} {rest[-1][1]:g}")
    return f'<path class="{kind}" d="{" ".join(said)}"/>'


def head(tip: Point, direction: Point, kind: str, size: float = 7) -> str:
    """The head of an arrow.

    Args:
        direction: where it points, of length 1.
    """
    (x, y), (dx, dy) = tip, direction
    left = (x - size * dx + size * dy / 2, y - size * dy - size * dx / 2)
    right = (x - size * dx - size * dy / 2, y - size * dy + size * dx / 2)
    points = " ".join(f"{a:g},{b:g}" for a, b in (tip, left, right))
    return f'<polygon class="{kind}" points="{points}"/>'


def dot(x: float, y: float, kind: str, radius: float = 2.6) -> str:
    """A point where lines join."""
    return f'<circle class="{kind}" cx="{x:g}" cy="{y:g}" r="{radius:g}"/>'


def _near(corner: Point, other: Point, radius: float) -> Point:
    """The point on the way from a corner to another point, so far from the corner."""
    dx, dy = other[0] - corner[0], other[1] - corner[1]
    length = max(abs(dx) + abs(dy), 1e-9)  # lines are upright or level
    step = min(radius, length / 2)
    return corner[0] + step * dx / length, corner[1] + step * dy / length
