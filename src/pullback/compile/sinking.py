"""What is only copied into a part of a larger array is computed there; sums of products over such parts are one.

A loop written in Python stacks what its rounds compute, and adds up what they give to the weights: Σ_t A_t B_t.
With all A_t and all B_t side by side in one array each, that is one product with a depth as great as all together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from .access import Access, Array, natural_strides
from .builder import Lowering
from .program import Call, Fold, Instruction, Point, Product, RowMove, Special

__all__ = ["moved", "summed", "sunk"]


def sunk(instructions: Sequence[Instruction]) -> list[Instruction]:
    """Return the instructions with arrays that are copied as they are into a part of another one placed there."""
    places: dict[Array, Access] = {}
    for instruction in instructions:
        if isinstance(instruction, Point) and (array := _copied_whole(instruction)) is not None:
            places.setdefault(array, instruction.out)
    # What lies in something that is itself placed elsewhere is not moved twice.
    places = {a: x for a, x in places.items() if x.array not in places}
    # Evaluations hand numbers over one by one: their arrays stay where they are.
    for instruction in instructions:
        if isinstance(instruction, Call):
            for access in (*instruction.reads, *instruction.writes):
                places.pop(access.array, None)
    result = []
    for instruction in instructions:
        there = moved(instruction, places)
        if not _to_itself(there):
            result.append(there)
    return result


def _copied_whole(point: Point) -> Array | None:
    """Return the array that a copy puts, in its own order, into a part of another one that is made of such parts."""
    (x, *others) = point.operands
    out = point.out
    if point.name != "copy" or others or not isinstance(x, Access) or not out.array.pieces:
        return None
    array = x.array
    if array.role != "temporary" or array.layered or array.size == 1 or array.dtype != out.dtype:
        return None
    same_order = out.strides == natural_strides(out.shape) or all(
        n == 1 or s == t for n, s, t in zip(out.shape, out.strides, natural_strides(out.shape), strict=True)
    )
    whole = x.offset == 0 and x.contiguous and x.shape == array.shape and not array.order
    return array if whole and same_order else None


def _to_itself(instruction: Instruction) -> bool:
    """Whether a copy puts numbers where they are."""
    if not isinstance(instruction, Point) or instruction.name != "copy":
        return False
    (x,) = instruction.operands
    return isinstance(x, Access) and x.shape == instruction.out.shape and x.same_elements(instruction.out)


def moved(instruction: Instruction, places: dict[Array, Access]) -> Instruction:
    """Return the instruction with its accesses to arrays that have a place elsewhere."""

    def there(x: Any) -> Any:
        if isinstance(x, Access) and x.array in places:
            place = places[x.array]
            return Access(place.array, place.offset + x.offset, x.shape, x.strides)
        return tuple(map(there, x)) if isinstance(x, tuple) else x

    changed = {}
    for field in fields(instruction):
        value = getattr(instruction, field.name)
        if isinstance(value, Access | tuple) and there(value) != value:
            changed[field.name] = there(value)
    return replace(instruction, **changed) if changed else instruction


# ------------------------------------------------------------------------------------- sums of products


def summed(lowering: Lowering, instructions: Sequence[Instruction]) -> list[Instruction]:
    """Return the instructions with sums of products over neighbouring parts of two arrays as single products."""
    readers: dict[Array, list[Instruction]] = {}
    for instruction in instructions:
        for access in instruction.reads:
            readers.setdefault(access.array, []).append(instruction)
    products = {p.out.array: p for p in instructions if isinstance(p, Product) and len(p.out.shape) == 2}
    sums = {i.out.array: i for i in instructions if isinstance(i, Point) and i.name == "add"}
    dropped: set[Instruction] = set()
    instead: dict[Instruction, list[Instruction]] = {}
    longer: dict[Array, Access] = {}
    for last in [i for i in sums.values() if not _goes_on(i, sums, readers)]:
        terms, adds = _terms(last, sums, products, readers)
        found = _joined(terms)
        if len(found) < 3:
            continue
        rest = [t for t in terms if t not in found]
        dropped.update(adds, found, (t for t in rest if isinstance(t, Product)))
        array, before = found[0].b.array, []
        beside = _neighbour(found, rest) if array not in longer and _may_grow(array, instructions) else None
        if beside is not None:
            rest.remove(beside)
            ahead = beside.a.offset < found[0].a.offset
            place = _place_beside(found, ahead)
            before = [Point(beside.source, "copy", place.shape, (beside.b,), place, place.dtype)]
            joined = replace(beside, b=place)
            found = [joined, *found] if ahead else [*found, joined]
            longer[array] = _grown(lowering, array, math.prod(place.shape), ahead)
        instead[last] = [*before, *_one_product(lowering, last, found, rest)]
    result = [new for i in instructions for new in instead.get(i, [] if i in dropped else [i])]
    return [moved(i, longer) for i in result] if longer else result


def _goes_on(add: Point, sums: dict[Array, Point], readers: dict[Array, list[Instruction]]) -> bool:
    """Whether the result is used by nothing but another sum of the same shape."""
    users = readers.get(add.out.array, [])
    return (
        add.out.array.role == "temporary"
        and len(users) == 1
        and isinstance(users[0], Point)
        and users[0].out.array in sums
        and users[0].shape == add.shape
    )


def _terms(
    last: Point, sums: dict[Array, Point], products: dict[Array, Product], readers: dict[Array, list[Instruction]]
) -> tuple[list[Any], list[Point]]:
    """Return what is added up: products that nothing else uses, other accesses; and the sums themselves."""
    terms: list[Any] = []
    adds: list[Point] = []
    waiting: list[Point] = [last]
    while waiting:
        add = waiting.pop()
        adds.append(add)
        for x in add.operands:
            array = x.array if isinstance(x, Access) and x == x.array.whole() else None
            alone = array is not None and array.role == "temporary" and len(readers[array]) == 1
            if array in sums and alone and sums[array].shape == last.shape:
                waiting.append(sums[array])
            elif array in products and alone:
                terms.append(products[array])
            else:
                terms.append(x)
    return terms, adds


def _joined(terms: Sequence[Any]) -> list[Product]:
    """Return the longest run of products whose left and right matrices follow each other in two arrays."""
    runs: dict[Any, list[Product]] = {}
    for term in terms:
        if isinstance(term, Product):
            a, b = term.a, term.b
            runs.setdefault((a.array, a.shape, a.strides, b.array, b.shape, b.strides), []).append(term)
    best: list[Product] = []
    for run in runs.values():
        ordered = sorted(run, key=lambda p: p.a.offset)
        depth = ordered[0].a.shape[1]
        steps = depth * ordered[0].a.strides[1], depth * ordered[0].b.strides[0]
        start = 0
        for at in range(1, len(ordered) + 1):
            together = at < len(ordered) and (
                ordered[at].a.offset - ordered[at - 1].a.offset,
                ordered[at].b.offset - ordered[at - 1].b.offset,
            ) == steps
            if not together:
                best = max(best, ordered[start:at], key=len)
                start = at
    return best


def _one_product(lowering: Lowering, last: Point, found: Sequence[Product], rest: Sequence[Any]) -> list[Instruction]:
    """Return the product of all parts at once, and the sum with what is not among them."""
    first = found[0]
    depth = first.a.shape[1] * len(found)
    a = replace(first.a, shape=(first.a.shape[0], depth))
    b = replace(first.b, shape=(depth, first.b.shape[1]))
    result: list[Instruction] = []
    out = last.out if not rest else lowering.array(last.shape, last.out.dtype).whole()
    result.append(Product(first.source, a, b, out))
    for at, term in enumerate(rest):
        if isinstance(term, Product):
            result.append(term)
            term = term.out
        following = last.out if at == len(rest) - 1 else lowering.array(last.shape, last.out.dtype).whole()
        result.append(replace(last, operands=(out, term), out=following))
        out = following
    return result


def _neighbour(found: Sequence[Product], rest: Sequence[Any]) -> Product | None:
    """Return a product that would go on with the others, if only its right matrix lay before or behind theirs.

    The first round of a loop is of that kind: what it starts from is not what an earlier round has left.
    """
    first, last = found[0], found[-1]
    step = first.a.shape[1] * first.a.strides[1]
    if first.b.strides != natural_strides(first.b.shape):
        return None
    places = []
    if first.b.offset == 0:
        places.append(first.a.offset - step)
    if last.b.offset + math.prod(last.b.shape) == last.b.array.size:
        places.append(last.a.offset + step)
    for term in rest:
        if isinstance(term, Product) and not term.b.array.layered and term.b.shape == first.b.shape:
            a = term.a
            same = a.array is first.a.array and a.shape == first.a.shape and a.strides == first.a.strides
            if same and a.offset in places:
                return term
    return None


def _may_grow(array: Array, instructions: Sequence[Instruction]) -> bool:
    """Whether an array of parts may be given one more: whether all who touch it say where."""
    touching = (i for i in instructions if any(x.array is array for x in (*i.reads, *i.writes)))
    plain = array.role == "temporary" and array.pieces and not array.layered
    return plain and all(isinstance(i, Point | Fold | Product | Special | RowMove) for i in touching)


def _place_beside(found: Sequence[Product], ahead: bool) -> Access:
    """Return where one more right matrix belongs, seen from those that are there: possibly before the array begins."""
    first, last = found[0].b, found[-1].b
    size = math.prod(first.shape)
    return replace(first, offset=first.offset - size if ahead else last.offset + size)


def _grown(lowering: Lowering, array: Array, more: int, ahead: bool) -> Access:
    """Return where an array begins in a new one that has room for more before or behind it."""
    grown = lowering.array((array.size + more,), array.dtype)
    grown.pieces = True
    return Access(grown, more if ahead else 0, (array.size,), (1,))
