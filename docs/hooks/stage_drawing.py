"""The stages of a recipe as dvc.yaml has them: a row each, what it reads coming in above, what it makes below.

Each file or folder has a lane of its own, from the stage that makes it down to those that read it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from svg import Point, box, dot, head, path, picture, text

LEFT, WIDTH, PILL, LANE, TOP = 2.0, 236.0, 208.0, 16.0, 8.0
GAP = 16.0  # between a stage and what it makes
STEP, PAD, PILL_HEIGHT, LINE = 13.0, 15.0, 26.0, 15.0
COLOURS = 8  # of lanes; drawing.css has as many
LETTERS = 33  # of a line in a box


@dataclass(frozen=True)
class Stage:
    """A stage: what it does in words, the data that it reads, and the data that it makes."""

    name: str
    about: str
    reads: tuple[str, ...]
    makes: tuple[str, ...]


def chain_of(stages: Mapping[str, Any], recipe: str, data_set: str) -> list[Stage]:
    """The stages of one recipe in an order in which each comes after what it reads.

    Args:
        stages: as in dvc.yaml.
        data_set: that the recipe reads.
    """
    found = [_stage(name, one.get("do", one), recipe, data_set) for name, one in stages.items()]
    made = {file for stage in found for file in stage.makes}
    todo = found
    done: list[Stage] = []
    while todo:
        there = {file for stage in done for file in stage.makes}
        ready = [stage for stage in todo if all(_known(file, there, made) for file in stage.reads)]
        if not ready:
            raise ValueError(f"dvc.yaml: {', '.join(stage.name for stage in todo)} wait for each other.")
        done.append(ready[0])
        todo = [stage for stage in todo if stage is not ready[0]]
    return done


def stages_drawn(chain: Sequence[Stage]) -> str:
    """The drawing of a chain."""
    made = [file for stage in chain for file in stage.makes]
    given = list(dict.fromkeys(_source(file, made) for stage in chain for file in stage.reads))
    outside = [file for file in given if file not in made]
    lanes = {
        file: LEFT + WIDTH + GAP + PILL + 16 + LANE * number for number, file in enumerate(_ordered(chain, outside))
    }
    colours = {file: f"lane-{number % COLOURS}" for number, file in enumerate(lanes)}
    starts: dict[str, float] = {}
    pieces: list[str] = []
    y = TOP
    for file in outside:
        pieces += _file(file, LEFT + WIDTH + GAP, y, lanes[file], colours[file])
        starts[file] = y + PILL_HEIGHT / 2
        y += PILL_HEIGHT + 8
    y += 8
    for stage in chain:
        height, drawn = _row(stage, y, lanes, colours, made, starts)
        pieces += drawn
        y += height + 16
    title = "; ".join(
        f"{stage.name}: {', '.join(stage.reads) or 'nothing'} to {', '.join(stage.makes)}" for stage in chain
    )
    return picture(max(lanes.values()) + 12, y - 6, f"The stages. {title}", pieces)


def _row(
    stage: Stage,
    y: float,
    lanes: Mapping[str, float],
    colours: Mapping[str, str],
    made: Sequence[str],
    starts: dict[str, float],
) -> tuple[float, list[str]]:
    """A stage, the lanes that come in, and what it makes; the height of the row."""
    reads = sorted({_source(file, made) for file in stage.reads}, key=lambda file: -lanes[file])
    lines = _lines(stage.about)
    inside = 40 + LINE * len(lines)
    height = max(
        inside, PAD + STEP * max(len(reads) - 1, 0) + (PAD if reads else 0) + (PILL_HEIGHT + 4) * len(stage.makes)
    )
    pieces = []
    for number, file in enumerate(reads):
        level = y + PAD - 3 + STEP * number
        corner: list[Point] = [(lanes[file], starts[file]), (lanes[file], level), (LEFT + WIDTH + 8, level)]
        tip = head((LEFT + WIDTH + 2, level), (-1, 0), f"tip {colours[file]}")
        pieces += [path(corner, f"lane {colours[file]}"), tip, dot(lanes[file], level, f"tip {colours[file]}")]
    pieces += [box(LEFT, y, WIDTH, height, "stage"), text(LEFT + 14, y + 24, stage.name, "name")]
    pieces += [text(LEFT + 14, y + 42 + LINE * number, line, "about") for number, line in enumerate(lines)]
    for number, file in enumerate(reversed(stage.makes)):
        top = y + height - (PILL_HEIGHT + 2) * (number + 1)
        colour = colours.get(file, "lane-0")
        stub = [(LEFT + WIDTH, top + PILL_HEIGHT / 2), (LEFT + WIDTH + GAP, top + PILL_HEIGHT / 2)]
        pieces += [path(stub, f"lane {colour}"), *_file(file, LEFT + WIDTH + GAP, top, lanes.get(file), colour)]
        starts[file] = top + PILL_HEIGHT / 2
    return height, pieces


def _file(file: str, x: float, y: float, lane: float | None, colour: str) -> Iterator[str]:
    """A file or folder, and the line from it to its lane, where somebody reads it."""
    middle = y + PILL_HEIGHT / 2
    if lane is not None:
        yield path([(x + PILL, middle), (lane, middle)], f"lane {colour}")
    yield box(x, y, PILL, PILL_HEIGHT, f"file {colour}", PILL_HEIGHT / 2)
    yield text(x + PILL / 2, middle + 4.5, file, "path", "middle")


def _ordered(chain: Sequence[Stage], outside: Sequence[str]) -> Iterator[str]:
    """Files that some stage reads; those that are read soonest lie nearest, so that few lanes cross."""
    made = [file for stage in chain for file in stage.makes]
    files = [*outside, *made]
    last = {file: number for number, stage in enumerate(chain) for file in {_source(one, made) for one in stage.reads}}
    yield from sorted((file for file in files if file in last), key=lambda file: (last[file], -files.index(file)))


def _stage(name: str, written: Mapping[str, Any], recipe: str, data_set: str) -> Stage:
    def data(paths: Sequence[str]) -> tuple[str, ...]:
        named = [path.replace("${key}", recipe).replace("${item}", data_set) for path in paths]
        return tuple(path for path in named if path.startswith("data/"))

    return Stage(name, written.get("desc", ""), data(written.get("deps", [])), data(written.get("outs", [])))


def _source(file: str, made: Sequence[str]) -> str:
    """The output that a file lies in, or the file itself."""
    return next((one for one in made if file == one or file.startswith(f"{one}/")), file)


def _known(file: str, there: set[str], made: set[str]) -> bool:
    source = _source(file, sorted(made))
    return source in there or source not in made


def _lines(words: str) -> list[str]:
    """Words in lines of about so many letters."""
    lines = [""]
    for word in re.split(r"\s+", words):
        if len(lines[-1]) + len(word) + 1 > LETTERS and lines[-1]:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
