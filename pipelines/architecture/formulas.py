"""What a layer does to sizes, parameters and the receptive field, by the formulas of the textbooks.

Output size: floor((W - F + 2P) / S) + 1, and ceil(W / S) with `same` padding. Parameters of a convolution:
(F x F x N_in + 1) x N_out; of a dense layer: (N_in + 1) x N_out; of batch normalisation: 4 N, of which 2 N are trained.
Receptive field: r + (F - 1) j, where j is how many pixels lie between two neighbouring cells (Araujo et al. 2019,
10.23915/distill.00021). None of it asks the framework, so that it can be held against what that made.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

Size = tuple[int, ...]


@dataclass(frozen=True)
class Window:
    """What slides over a map.

    Args:
        kernel: height and width.
        stride: both ways.
        padding: `same`, or `valid` where nothing is added but `zeros`.
        zeros: rows and columns that are added, those of both sides together: 2P.
        dilation: cells from one weight of the kernel to the next, both ways.
    """

    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: str = "valid"
    zeros: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)

    @property
    def span(self) -> tuple[int, int]:
        """Cells that the kernel reaches over."""
        rows, columns = ((side - 1) * gap + 1 for side, gap in zip(self.kernel, self.dilation, strict=True))
        return rows, columns

    def over(self, size: Size) -> tuple[int, int]:
        """Rows and columns that come out."""
        if self.padding == "same":
            return math.ceil(size[0] / self.stride[0]), math.ceil(size[1] / self.stride[1])
        rows, columns = (
            (side - span + zeros) // stride + 1
            for side, span, zeros, stride in zip(size[:2], self.span, self.zeros, self.stride, strict=True)
        )
        return rows, columns

    def padding_in_words(self) -> str:
        """`same`, `valid`, or the P of zeros that stand on each side."""
        if not any(self.zeros):
            return self.padding
        rows, columns = self.zeros
        return str(rows // 2) if rows == columns and rows % 2 == 0 else f"{rows} x {columns} in all"


@dataclass(frozen=True)
class Layer:
    """One layer as a framework has it.

    Args:
        name: no other layer has it.
        kind: one of FORMULAS.
        before: names of the layers whose outputs come in.
        window: of a convolution, pooling or zero padding.
        filters: maps or units that come out, of a convolution or dense layer.
        bias: whether each has one.
        size: what comes out, (rows, columns, maps) or (units,).
        parameters: the numbers it holds.
        groups: parts of the maps, each with filters of its own.
        multiplier: maps that a depthwise filter makes of each.
    """

    name: str
    kind: str
    before: tuple[str, ...]
    window: Window
    filters: int
    bias: bool
    size: Size
    parameters: int
    groups: int = 1
    multiplier: int = 1


@dataclass(frozen=True)
class LayerFact:
    """A layer by the formulas, next to what the framework made of it; sizes are (rows, columns, maps) or (units,).

    What the formulas say is None for a kind of layer that they do not know. receptive_field and jump are in pixels of
    the image, along the way that sees farthest; a field may be larger than the image, where it lies over padding.
    multiply_adds are those of one image; a normalisation counts one for each number. depth: layers with weights up to
    this one, along the longest way.
    """

    name: str
    kind: str
    filter: str
    stride: int | None
    padding: str
    size_by_formula: Size | None
    size: Size
    parameters_by_formula: int | None
    parameters: int
    receptive_field: int
    jump: int
    multiply_adds: int
    depth: int

    @property
    def agrees(self) -> bool:
        """Whether the framework made nothing else than what the formulas say."""
        return self.size_by_formula in (None, self.size) and self.parameters_by_formula in (None, self.parameters)

    @property
    def listed(self) -> bool:
        """Whether a table of layers has it: not those that hold nothing and change each number by itself."""
        return self.kind not in ("elementwise", "other") or self.parameters > 0 or not self.agrees


@dataclass(frozen=True)
class Figures:
    """What a formula says of a layer."""

    size: Size | None
    parameters: int | None = 0
    multiply_adds: int = 0


def facts(layers: list[Layer], image: Size) -> list[LayerFact]:
    """Every layer by the formulas, in the order of the graph.

    Args:
        layers: in an order in which each stands behind those that it takes from.
        image: (height, width, channels).
    """
    start = LayerFact("image", "image", "", None, "", image, image, 0, 0, 1, 1, 0, 0)
    known: dict[str, LayerFact] = {}
    for layer in layers:
        before = [known.get(name, start) for name in layer.before] or [start]
        known[layer.name] = _fact(layer, before)
    return list(known.values())


def totals(rows: list[LayerFact]) -> dict[str, Any]:
    """What the whole network comes to.

    Returns:
        depth: layers with weights on the longest way; parameters, and `trained`, those of them that training changes;
        multiply_adds of one image; receptive_field of the last convolution or pooling; filters: sizes of the
        convolutions.
    """
    weighted = [row for row in rows if row.kind in WEIGHTED]
    fields = [row.receptive_field for row in rows if row.kind in WINDOWED]
    return {
        "depth": max(row.depth for row in rows),
        "parameters": sum(row.parameters for row in rows),
        "trained": sum(row.parameters // (2 if row.kind == "normalisation" else 1) for row in rows),
        "multiply_adds": sum(row.multiply_adds for row in rows),
        "receptive_field": fields[-1] if fields else 1,
        "filters": sorted({row.filter for row in weighted if row.filter}, key=lambda text: int(text.split(" ")[0])),
    }


def as_json(rows: list[LayerFact]) -> dict[str, Any]:
    """What architecture.json holds: the layers, and the totals."""
    told = [{**asdict(row), "agrees": row.agrees, "listed": row.listed} for row in rows]
    return {"layers": told, "totals": totals(rows)}


def _fact(layer: Layer, before: list[LayerFact]) -> LayerFact:
    sizes = [fact.size for fact in before]
    told = FORMULAS[layer.kind](layer, sizes)
    reach = max(before, key=lambda fact: (math.prod(fact.size[:-1]), fact.receptive_field))
    windowed, whole = layer.kind in WINDOWED, layer.kind in ("global pooling", "flatten")
    span = reach.size[:-1] if whole and len(reach.size) > 1 else layer.window.span
    return LayerFact(
        name=layer.name,
        kind=layer.kind,
        filter=f"{layer.window.kernel[0]} x {layer.window.kernel[1]}" if windowed else "",
        stride=layer.window.stride[0] if windowed else None,
        padding=layer.window.padding_in_words() if windowed or layer.kind == "zero padding" else "",
        size_by_formula=told.size,
        size=layer.size,
        parameters_by_formula=told.parameters,
        parameters=layer.parameters,
        receptive_field=reach.receptive_field + (max(span) - 1) * reach.jump,
        jump=reach.jump * max(layer.window.stride),
        multiply_adds=told.multiply_adds,
        depth=max(fact.depth for fact in before) + (layer.kind in WEIGHTED),
    )


def _convolution(layer: Layer, sizes: list[Size]) -> Figures:
    rows, columns = layer.window.over(sizes[0])
    weights = math.prod(layer.window.kernel) * (sizes[0][2] // layer.groups) * layer.filters
    return Figures((rows, columns, layer.filters), weights + layer.filters * layer.bias, weights * rows * columns)


def _depthwise(layer: Layer, sizes: list[Size]) -> Figures:
    rows, columns = layer.window.over(sizes[0])
    maps = sizes[0][2] * layer.multiplier
    weights = math.prod(layer.window.kernel) * maps
    return Figures((rows, columns, maps), weights + maps * layer.bias, weights * rows * columns)


def _separable(layer: Layer, sizes: list[Size]) -> Figures:
    """A depthwise convolution without bias, and a 1 x 1 convolution of what it makes."""
    rows, columns = layer.window.over(sizes[0])
    maps = sizes[0][2] * layer.multiplier
    weights = math.prod(layer.window.kernel) * maps + maps * layer.filters
    return Figures((rows, columns, layer.filters), weights + layer.filters * layer.bias, weights * rows * columns)


def _dense(layer: Layer, sizes: list[Size]) -> Figures:
    *places, width = sizes[0]
    weights = width * layer.filters
    return Figures((*places, layer.filters), weights + layer.filters * layer.bias, weights * math.prod(places))


def _concatenation(layer: Layer, sizes: list[Size]) -> Figures:
    return Figures((*sizes[0][:-1], sum(size[-1] for size in sizes)))


def _broadcast(layer: Layer, sizes: list[Size]) -> Figures:
    return Figures(tuple(max(sides) for sides in zip(*sizes, strict=True)))


FORMULAS: Mapping[str, Callable[[Layer, list[Size]], Figures]] = {
    "convolution": _convolution,
    "depthwise convolution": _depthwise,
    "separable convolution": _separable,
    "dense": _dense,
    "normalisation": lambda layer, sizes: Figures(sizes[0], 4 * sizes[0][-1], math.prod(sizes[0])),
    "pooling": lambda layer, sizes: Figures((*layer.window.over(sizes[0]), sizes[0][2])),
    "zero padding": lambda layer, sizes: Figures((*layer.window.over(sizes[0]), sizes[0][2])),
    "global pooling": lambda layer, sizes: Figures((sizes[0][2],)),
    "flatten": lambda layer, sizes: Figures((math.prod(sizes[0]),)),
    "addition": _broadcast,
    "multiplication": _broadcast,
    "concatenation": _concatenation,
    "elementwise": lambda layer, sizes: Figures(sizes[0]),
    "other": lambda layer, sizes: Figures(None, None),
}
WEIGHTED = ("convolution", "depthwise convolution", "separable convolution", "dense")
WINDOWED = (*WEIGHTED[:3], "pooling")
