"""Pooling: the largest element of each window, which one it is, the mean, and the ways back."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from .function import Function, Module
from .types import Operand, Type, type_of
from .windows import Tap, Walk, Windows, window_function

__all__ = [
    "emit_average_pool", "emit_average_pool_back", "emit_max_choice", "emit_max_pool", "emit_max_pool_and_choice",
    "emit_max_pool_back", "emit_window_pick", "emit_window_place",
]  # fmt: skip


# ------------------------------------------------------------------------------------------- loads and stores


def _load(f: Function, walk: Walk, tap: Tap) -> Operand:
    """Load one element of a window in x, or of as many windows as the register holds."""
    type = walk.windows.type
    address = f.at(f.at(f.argument("x"), walk.x_offset, type), tap.offset, type)
    if walk.step == 1 or walk.lanes == 1:
        return f.load(type.of(walk.lanes), address, walk.valid)
    if walk.step == 2:
        # Of two registers every other element; the last one is not needed, and may not exist.
        low = f.load(type.of(walk.lanes), address)
        high = f.load(type.of(walk.lanes), f.at(address, walk.lanes, type), walk.lanes - 1)
        places = ", ".join(f"i32 {2 * i}" for i in range(walk.lanes))
        return f.value(low.type, f"shufflevector {low.typed}, {high.typed}, <{walk.lanes} x i32> <{places}>")
    vector = Operand("poison", type.of(walk.lanes))
    for lane in range(walk.lanes):
        x = f.load(type, f.at(address, lane * walk.step, type))
        vector = f.value(vector.type, f"insertelement {vector.typed}, {x.typed}, i64 {lane}")
    return vector


def _y(f: Function, walk: Walk, pointer: str, type: Type) -> Operand:
    return f.at(f.argument(pointer), walk.y_offset, type)


def _read(f: Function, walk: Walk, pointer: str, type: Type) -> Operand:
    return f.load(type.of(walk.lanes), _y(f, walk, pointer, type), walk.valid)


def _write(f: Function, walk: Walk, pointer: str, value: Operand) -> None:
    f.store(value, _y(f, walk, pointer, value.type.of(1)), walk.valid)


def _put(f: Function, walk: Walk, pointer: str, value_of: Callable[[Tap], Operand], add: bool) -> None:
    """Store a value at every element of a window, or add it there; the array lies in memory as x does."""
    type = walk.windows.type
    base = f.at(f.argument(pointer), walk.x_offset, type)
    if walk.lanes == 1 or walk.step == 1:
        for tap in walk.taps:
            address, value = f.at(base, tap.offset, type), value_of(tap)
            if add:
                value = f.add(f.load(value.type, address, walk.valid), value)
            f.store(value, address, walk.valid)
        return
    assert walk.step == 2 == walk.windows.kernel[-1], "registers along the windows are for pairs that lie side by side"
    for left, right in zip(walk.taps[::2], walk.taps[1::2], strict=True):
        a, b = value_of(left), value_of(right)
        n = walk.lanes
        address = f.at(base, left.offset, type)
        for half in range(2):
            places = ", ".join(f"i32 {i // 2 + half * n // 2 + (i % 2) * n}" for i in range(n))
            mixed = f.value(a.type, f"shufflevector {a.typed}, {b.typed}, <{n} x i32> <{places}>")
            f.store(mixed, f.at(address, half * n, type))


def _pairs(windows: Windows) -> bool:
    """Whether the windows along the last axis are pairs, side by side."""
    return (windows.kernel[-1], windows.stride[-1], windows.dilation[-1]) == (2, 2, 1)


# ------------------------------------------------------------------------------------------------ largest


def _takes(f: Function, x: Operand, best: Operand, signed: bool) -> Operand:
    """Whether x takes the place of the best: where it is larger, or the first that is NaN."""
    if not x.type.floating:
        return f.compare("sgt" if signed else "ugt", x, best)
    first_nan = f.binary("and", f.compare("uno", x, x), f.compare("ord", best, best))
    return f.binary("or", f.compare("ogt", x, best), first_nan)


def _best(f: Function, walk: Walk, signed: bool, numbers: Type | None) -> tuple[Operand, Operand | None]:
    """Return the largest element of a window and, of the type `numbers`, its number."""
    first, *others = walk.taps
    best = _load(f, walk, first)
    choice = None if numbers is None else f.constant(numbers.of(walk.lanes), first.number)
    for tap in others:
        x = _load(f, walk, tap)
        if choice is None and x.type.floating:
            # A NaN that is the best stays so, as nothing is larger; one that comes is taken.
            best = f.select(f.compare("uno", x, x), x, f.larger(x, best))
            continue
        takes = _takes(f, x, best, signed)
        best = f.select(takes, x, best)
        if choice is not None:
            choice = f.select(takes, f.constant(choice, tap.number), choice)
    return best, choice


def emit_max_pool(module: Module, name: str, windows: Windows, lowest: float, signed: bool = True) -> int:
    """Write `name(ptr y, ptr x, i64 begin, i64 end)`: the largest element of each window; NaN where one is NaN.

    `lowest` is the value of a window without elements. Returns the units of work.
    """

    def body(f: Function, walk: Walk) -> None:
        if walk.taps:
            best, _ = _best(f, walk, signed, None)
        else:
            best = f.constant(windows.type.of(walk.lanes), lowest)
        _write(f, walk, "y", best)

    return window_function(module, name, windows, ("y", "x"), body)


def emit_max_pool_and_choice(
    module: Module, name: str, windows: Windows, numbers: np.dtype[np.integer], signed: bool = True
) -> int:
    """Write `name(ptr y, ptr choice, ptr x, i64 begin, i64 end)`: the largest element and its number.

    Kept for the way back, the choice is a sixteenth of what x takes, for windows of four. No window may be empty.
    """
    number = type_of(numbers)

    def body(f: Function, walk: Walk) -> None:
        best, choice = _best(f, walk, signed, _mask_type(windows.type))
        assert choice is not None
        _write(f, walk, "y", best)
        _write(f, walk, "choice", f.convert(choice, number.kind))

    return window_function(module, name, windows, ("y", "choice", "x"), body)


def emit_max_choice(
    module: Module, name: str, windows: Windows, numbers: np.dtype[np.integer], signed: bool = True
) -> int:
    """Write `name(ptr choice, ptr x, i64 begin, i64 end)`: the number of the first largest element, or first NaN."""
    number = type_of(numbers)

    def body(f: Function, walk: Walk) -> None:
        _, choice = _best(f, walk, signed, _mask_type(windows.type))
        assert choice is not None
        _write(f, walk, "choice", f.convert(choice, number.kind))

    return window_function(module, name, windows, ("choice", "x"), body)


def _mask_type(type: Type) -> Type:
    """The integer as wide as an element, in which numbers are chosen without changing the width of registers."""
    return Type(f"i{type.bits}")


def emit_window_pick(module: Module, name: str, windows: Windows, numbers: np.dtype[np.integer]) -> int:
    """Write `name(ptr y, ptr x, ptr choice, i64 begin, i64 end)`: the element of each window that is chosen.

    The choice lies in memory as y does. What is chosen beyond the border is 0.
    """

    def body(f: Function, walk: Walk) -> None:
        choice = _read(f, walk, "choice", type_of(numbers))
        total = f.constant(windows.type.of(walk.lanes), 0)
        for tap in walk.taps:
            chosen = f.compare("eq", choice, f.constant(choice, tap.number))
            total = f.select(chosen, _load(f, walk, tap), total)
        _write(f, walk, "y", total)

    return window_function(module, name, windows, ("y", "x", "choice"), body)


def emit_window_place(module: Module, name: str, windows: Windows, numbers: np.dtype[np.integer]) -> int:
    """Write `name(ptr x, ptr g, ptr choice, i64 begin, i64 end)`: each g added at the element that is chosen."""

    def choice_of(f: Function, walk: Walk) -> Operand:
        return _read(f, walk, "choice", type_of(numbers))

    return _emit_placing(module, name, windows, ("x", "g", "choice"), choice_of)


def emit_max_pool_back(module: Module, name: str, windows: Windows) -> int:
    """Write `name(ptr gx, ptr g, ptr x, i64 begin, i64 end)`: each g added to where the largest element of x was.

    gx lies in memory as x does. The choice is made once more instead of being kept.
    """

    def choice_of(f: Function, walk: Walk) -> Operand:
        _, choice = _best(f, walk, True, _mask_type(windows.type))
        assert choice is not None
        return choice

    return _emit_placing(module, name, windows, ("gx", "g", "x"), choice_of)


def _emit_placing(
    module: Module,
    name: str,
    windows: Windows,
    pointers: Sequence[str],
    choice_of: Callable[[Function, Walk], Operand],
) -> int:
    overlapping = windows.overlapping
    target = pointers[0]
    side_by_side = _pairs(windows) and not overlapping

    def body(f: Function, walk: Walk) -> None:
        if not walk.taps:
            return
        choice, g = choice_of(f, walk), _read(f, walk, "g", windows.type)
        if windows.channel is None and not side_by_side:
            _add_one_by_one(f, walk, target, choice, g)
            return
        zero = f.constant(g, 0)
        _put(
            f,
            walk,
            target,
            lambda tap: f.select(f.compare("eq", choice, f.constant(choice, tap.number)), g, zero),
            overlapping,
        )

    return window_function(
        module,
        name,
        windows,
        pointers,
        body,
        clear=target if overlapping or not side_by_side or not windows.covering else None,
    )


def _add_one_by_one(f: Function, walk: Walk, pointer: str, choice: Operand, g: Operand) -> None:
    """Add each g of a register of windows where its choice says, in the order of the windows."""
    choice = f.convert(choice, "i32", signed=False)
    offsets = f.constant(choice, walk.taps[0].offset)
    for tap in walk.taps[1:]:
        chosen = f.compare("eq", choice, f.constant(choice, tap.number))
        offsets = f.select(chosen, f.constant(choice, tap.offset), offsets)
    type = g.type.of(1)
    base = f.at(f.argument(pointer), walk.x_offset, type)
    for lane in range(walk.lanes):
        offset = f.convert(f.lane(offsets, lane), "i64")
        address = f.at(f.at(base, lane * walk.step, type), offset, type)
        f.store(f.add(f.load(type, address), f.lane(g, lane)), address)


# --------------------------------------------------------------------------------------------------- mean


def emit_average_pool(
    module: Module, name: str, windows: Windows, divisors: Sequence[Sequence[int]], divisor: float | None
) -> int:
    """Write `name(ptr y, ptr x, i64 begin, i64 end)`: the mean of each window.

    The sum is divided by `divisor`, or where that is None by the product of `divisors[axis][window]`.
    """

    def body(f: Function, walk: Walk) -> None:
        total = _sum(f, walk)
        _write(f, walk, "y", f.div(total, f.constant(total, _divisor(walk, divisor))))

    return window_function(module, name, windows, ("y", "x"), body, same=lambda a, o: divisors[a][o])


def _sum(f: Function, walk: Walk) -> Operand:
    """Add the elements of a window up, along the first axis first, as NumPy does one axis after the other."""

    def along(axis: int, fixed: tuple[int, ...]) -> Operand:
        if axis < 0:
            return _load(f, walk, taps[fixed])
        total = None
        for i in sorted({tap.along[axis] for tap in walk.taps}):
            part = along(axis - 1, (i, *fixed))
            total = part if total is None else f.binary("fadd", total, part, flags="")
        assert total is not None
        return total

    taps = {tap.along: tap for tap in walk.taps}
    if not taps:
        return f.constant(walk.windows.type.of(walk.lanes), 0.0)
    return along(len(walk.windows.kernel) - 1, ())


def _divisor(walk: Walk, divisor: float | None) -> float:
    return float(math.prod(int(k) for k in walk.kinds)) if divisor is None else float(divisor)  # type: ignore[call-overload]  # a number


def emit_average_pool_back(
    module: Module, name: str, windows: Windows, divisors: Sequence[Sequence[int]], divisor: float | None
) -> int:
    """Write `name(ptr x, ptr g, i64 begin, i64 end)`: each g shared out evenly over its window."""
    overlapping = windows.overlapping

    def body(f: Function, walk: Walk) -> None:
        g = _read(f, walk, "g", windows.type)
        share = f.div(g, f.constant(g, _divisor(walk, divisor)))
        _put(f, walk, "x", lambda tap: share, overlapping)

    return window_function(
        module,
        name,
        windows,
        ("x", "g"),
        body,
        same=lambda a, o: divisors[a][o],
        clear="x" if overlapping or not windows.covering else None,
        along_windows=_pairs(windows) and not overlapping,
    )
