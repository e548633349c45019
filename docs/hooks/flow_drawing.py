"""The flows, and what passes from one to the next: a ring, since what is served decides when to train again."""

from dataclasses import dataclass

from svg import Point, box, head, path, picture, text

WIDTH, HEIGHT = 176.0, 62.0
LEFT, MIDDLE, RIGHT = 4.0, 252.0, 500.0
FIRST, SECOND, THIRD = 6.0, 156.0, 306.0


@dataclass(frozen=True)
class Node:
    """A box: a flow of `flows/`, or something beside them."""

    x: float
    y: float
    name: str
    about: str
    flow: bool = True


@dataclass(frozen=True)
class Edge:
    """A line through points, and the words beside it."""

    points: tuple[Point, ...]
    words: tuple[str, ...]
    at: Point
    anchor: str = "middle"


NODES = (
    Node(LEFT, FIRST, "watch", "new data at rest"),
    Node(MIDDLE, FIRST, "retrain", "the stages, in a workspace"),
    Node(RIGHT, FIRST, "deploy", "proven, then approved"),
    Node(LEFT, SECOND, "schedule", "prefect.yaml, or by hand", flow=False),
    Node(RIGHT, SECOND, "make serve", "follows production", flow=False),
    Node(MIDDLE, THIRD, "monitor", "drift, late labels"),
    Node(LEFT, THIRD, "sweep", "a search on validation"),
)


def flows_drawn() -> str:
    """The drawing."""
    pieces = [piece for edge in _edges() for piece in _line(edge)]
    for node in NODES:
        pieces += [
            box(node.x, node.y, WIDTH, HEIGHT, "stage" if node.flow else "beside"),
            text(node.x + WIDTH / 2, node.y + 27, node.name, "name", "middle"),
            text(node.x + WIDTH / 2, node.y + 46, node.about, "about", "middle"),
        ]
    title = "watch and a schedule start retrain, a release goes to deploy, what is in production is served, monitored"
    return picture(RIGHT + WIDTH + 6, THIRD + HEIGHT + 6, f"The flows: {title}, and retrained.", pieces)


def _edges() -> tuple[Edge, ...]:
    top, half = FIRST + HEIGHT / 2, HEIGHT / 2
    served, watched = RIGHT + WIDTH / 2, MIDDLE + WIDTH / 2
    schedule = (LEFT + WIDTH, SECOND + half), (MIDDLE + 40, SECOND + half), (MIDDLE + 40, FIRST + HEIGHT)
    predictions = (served, SECOND + HEIGHT), (served, THIRD + half), (MIDDLE + WIDTH, THIRD + half)
    aside, below = LEFT + WIDTH + 36, FIRST + HEIGHT + 50
    found = (LEFT + WIDTH, THIRD + half), (aside, THIRD + half), (aside, below), (MIDDLE + 16, below)
    return (
        Edge(((LEFT + WIDTH, top), (MIDDLE, top)), ("new films",), (214, top - 9)),
        Edge(schedule, ("nightly",), (aside + 6, SECOND + half - 9), "start"),
        Edge(((MIDDLE + WIDTH, top), (RIGHT, top)), ("a version",), (464, top - 9)),
        Edge(((served, FIRST + HEIGHT), (served, SECOND)), ("a tag of git names it",), (served - 10, 116), "end"),
        Edge(predictions, ("the prediction log",), (served - 12, THIRD - 24), "end"),
        Edge(
            ((watched + 30, THIRD), (watched + 30, FIRST + HEIGHT)), ("where it drifted",), (watched + 40, 196), "start"
        ),
        Edge((*found, (MIDDLE + 16, FIRST + HEIGHT)), ("numbers for the recipe,", "by hand"), (aside - 10, 256), "end"),
    )


def _line(edge: Edge) -> list[str]:
    (x, y), (tip_x, tip_y) = edge.points[-2:]
    length = abs(tip_x - x) + abs(tip_y - y)
    direction = ((tip_x - x) / length, (tip_y - y) / length)
    tip = (tip_x - 2 * direction[0], tip_y - 2 * direction[1])
    words = [
        text(edge.at[0], edge.at[1] + 15 * line, said, "said", edge.anchor) for line, said in enumerate(edge.words)
    ]
    return [path(edge.points, "lane plain"), head(tip, direction, "tip plain", 8), *words]
