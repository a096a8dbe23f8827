"""Convolutions and the gradient with respect to their input: images with their channels last."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from .correlate import Axis, Correlation, Correlator
from .finish import Epilogue
from .function import Function, Module
from .inside import all_finite, emit_inside
from .pack import Panel, emit_pack
from .pieces import Run, each
from .product import Product, ProductKernel, emit_product, kernel_parameters
from .types import BOOL, FLOAT, I64, Operand, Type

__all__ = ["Convolution", "emit_convolution", "emit_convolution_input"]


@dataclass(frozen=True)
class Convolution:
    """y = x ∗ w, each consecutive in memory.

    x is (images, *size, channels), w (*kernel, channels / groups, outputs), y (images, *counts, outputs); a width in
    `padding` that is below zero crops.
    """

    images: int
    size: tuple[int, ...]
    channels: int
    outputs: int
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int = 1
    type: Type = FLOAT

    def __post_init__(self) -> None:
        if min(self.images, self.channels, self.outputs, *self.size, *self.kernel, *self.counts) < 1:
            raise ValueError(f"a convolution needs at least one image, channel, output and position, got {self}")
        if self.channels % self.groups or self.outputs % self.groups:
            raise ValueError(f"{self.groups} groups must divide {self.channels} channels and {self.outputs} outputs")

    @property
    def counts(self) -> tuple[int, ...]:
        """How many positions the kernel has along each axis."""
        axes = zip(self.size, self.kernel, self.stride, self.padding, self.dilation, strict=True)
        return tuple((n + sum(p) - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in axes)

    @property
    def flops(self) -> int:
        """How many multiplications and additions it takes."""
        return 2 * self.images * math.prod(self.counts) * self.weights

    @property
    def weights(self) -> int:
        """How many weights there are."""
        return math.prod(self.kernel) * self.channels // self.groups * self.outputs

    @property
    def positions(self) -> int:
        """How many positions the kernel has in all images."""
        return self.images * math.prod(self.counts)

    @property
    def pointwise(self) -> bool:
        """Whether each position meets its own place only: then a convolution is a matrix product."""
        return (
            self.counts == self.size
            and math.prod(self.kernel) == 1
            and self.groups == 1
            and not any(width for pair in self.padding for width in pair)
        )

    @property
    def lanewise(self) -> bool:
        """Whether each channel is convolved by itself."""
        return self.groups == self.channels == self.outputs > 1


def emit_convolution(
    module: Module, name: str, convolution: Convolution, epilogue: Epilogue | None = None
) -> ProductKernel:
    """Write the kernel `name(y, x, w, begin, end, workspace, table)`.

    To the epilogue a row is a position, counted through all images, and a column an output channel.
    """
    if convolution.pointwise:
        shape = (convolution.positions, convolution.outputs, convolution.channels)
        strides = (convolution.channels, 1, convolution.outputs, 1, convolution.outputs)
        return emit_product(module, name, Product(*shape, *strides, type=convolution.type), epilogue)
    axes = [
        Axis(n, count, s, -before, k, d, 0, 1, count)
        for n, count, s, (before, _), k, d in zip(
            convolution.size,
            convolution.counts,
            convolution.stride,
            convolution.padding,
            convolution.kernel,
            convolution.dilation,
            strict=True,
        )
    ]
    groups = 1 if convolution.lanewise else convolution.groups
    depth, columns = convolution.channels // convolution.groups, convolution.outputs // groups
    work = Correlation(
        convolution.type, _planar(axes), groups, depth, columns, convolution.outputs, columns, convolution.lanewise
    )
    return _emit(module, name, convolution, [work], [], epilogue)


def emit_convolution_input(
    module: Module, name: str, convolution: Convolution, epilogue: Epilogue | None = None
) -> ProductKernel:
    """Write the kernel `name(x, y, w, begin, end, workspace, table)` of the gradient with respect to the input.

    With strides the places of x fall into classes, each of which meets its own taps: each is a correlation of its own
    with the weights turned over. To the epilogue a row is a place of x, counted through all images. Positions beyond
    the edges of y count as zeros, unless a weight is not finite: then they are left out.
    """
    if convolution.pointwise:
        shape = (convolution.positions, convolution.channels, convolution.outputs)
        strides = (convolution.outputs, 1, 1, convolution.outputs, convolution.channels)
        return emit_product(module, name, Product(*shape, *strides, type=convolution.type), epilogue)
    phases = [
        _phases(n, count, k, s, before, d)
        for n, count, k, s, (before, _), d in zip(
            convolution.size,
            convolution.counts,
            convolution.kernel,
            convolution.stride,
            convolution.padding,
            convolution.dilation,
            strict=True,
        )
    ]
    groups = 1 if convolution.lanewise else convolution.groups
    depth, columns = convolution.outputs // convolution.groups, convolution.channels // groups
    lanes = module.lanes(convolution.type)
    padded = -(-columns // lanes) * lanes
    works, turns = [], []
    for combination in itertools.product(*phases):
        axes = [axis for axis, _ in combination]
        taps = list(itertools.product(*(taps for _, taps in combination)))
        b_group = len(taps) * depth * padded
        work = Correlation(
            convolution.type, _planar(axes), groups, depth, columns, padded, b_group, convolution.lanewise
        )
        works.append(work)
        turns.append(taps)
    return _emit(module, name, convolution, works, turns, epilogue)


def _planar(axes: Sequence[Axis]) -> tuple[Axis, ...]:
    """Return at least two axes: a line is a plane of one row."""
    return (*axes,) if len(axes) > 1 else (Axis(1, 1, 1, 0, 1, 1, 0, 1, 1), *axes)


def _phases(
    size: int, count: int, kernel: int, stride: int, before: int, dilation: int
) -> list[tuple[Axis, tuple[int, ...]]]:
    """Return, for each class of places along one axis, its correlation and the taps it meets, by growing place in y.

    Place q = r + stride · t of x meets tap k at position (q + before − k · dilation) / stride of y.
    """
    found = []
    for r in range(min(stride, size)):
        taps = [k for k in range(kernel - 1, -1, -1) if (r + before - k * dilation) % stride == 0]
        places = [(r + before - k * dilation) // stride for k in taps]
        apart = places[1] - places[0] if len(places) > 1 else 1
        first = places[0] if places else 0
        places_of_x = -(-(size - r) // stride)
        found.append((Axis(count, places_of_x, 1, first, len(taps), apart, r, stride, size), tuple(taps)))
    return found


def _emit(
    module: Module,
    name: str,
    convolution: Convolution,
    works: Sequence[Correlation],
    turns: Sequence[Sequence[tuple[int, ...]]],
    epilogue: Epilogue | None,
) -> ProductKernel:
    """Write the kernel that goes over images and blocks, and in each over the correlations; it turns weights first."""
    blocks = max(work.blocks[0] for work in works)
    parts = [Correlator(module, work, blocks, epilogue) for work in works]
    for at, part in enumerate(parts):
        part.emit(f"{name}.{at}")
    f = Function(module, name, kernel_parameters)
    type = convolution.type
    turned = [work.groups * work.b_group for work in works] if turns else []
    slab_at = -(-sum(turned) // 16) * 16
    scratch_at = slab_at + -(-max(part.slab_elements for part in parts) // 16) * 16
    scratch = f.at(f.argument("workspace"), scratch_at, type)
    begin, end = f.argument("begin"), f.argument("end")
    with f.when(f.compare("ult", begin, end)):
        weights = [f.argument("b")] * len(works)
        if turns:
            weights = [f.at(f.argument("workspace"), sum(turned[:at]), type) for at in range(len(works))]
            for work, taps, place in zip(works, turns, weights, strict=True):
                _turn_weights(f, convolution, work, taps, place)

        def go_over(names: Sequence[str]) -> None:
            with f.loop(begin, end) as unit:
                item = f.value(I64, f"udiv i64 {unit.index}, {blocks}")
                block = f.value(I64, f"urem i64 {unit.index}, {blocks}")
                slab = f.at(f.argument("workspace"), slab_at, type)
                for part, place in zip(names, weights, strict=True):
                    arguments = (item, block, slab, scratch, f.argument("table"))
                    f.call(part, f.argument("c"), f.argument("a"), place, *arguments)

        names = [f"{name}.{at}" for at in range(len(works))]
        if turns and any(work.beyond for work in works):
            finite = all_finite(f, type, f.argument("b"), convolution.weights)
            with f.when(finite):
                go_over(names)
            for at, (work, part) in enumerate(zip(works, parts, strict=True)):
                if work.beyond:
                    names[at] += ".inside"
                    emit_inside(module, names[at], work, part.block, epilogue)
            with f.when(f.value(BOOL, f"xor i1 {finite}, true")):
                go_over(names)
        else:
            go_over(names)
    workspace = (scratch_at + max(part.scratch_elements for part in parts)) * type.bits // 8
    needs_c = any(part.parts > 1 for part in parts)
    return ProductKernel(name, convolution.images * blocks, workspace, convolution.flops, needs_c)


def _turn_weights(
    f: Function, convolution: Convolution, work: Correlation, taps: Sequence[tuple[int, ...]], place: Operand
) -> None:
    """Copy the weights of some taps, with inputs and outputs exchanged: (groups, taps, outputs, channels)."""
    type, outputs, kernel = work.type, convolution.outputs, convolution.kernel
    strides = (outputs, 1) if work.lanewise else (1, outputs)
    pack = emit_pack(f.module, Panel(type, work.columns, work.depth, *strides))
    each_tap = convolution.channels // convolution.groups * outputs
    with each(f, Run(0, 0, 1, work.groups), None) as group:
        source = f.at(f.argument("b"), f.times(group, work.depth), type)
        to = f.at(place, f.times(group, work.b_group), type)
        for at, tap in enumerate(taps):
            number = sum(k * math.prod(kernel[axis + 1 :]) for axis, k in enumerate(tap))
            from_tap = f.at(source, number * each_tap, type)
            f.call(pack, f.at(to, at * work.depth * work.b_row, type), from_tap, f.index(work.depth))
