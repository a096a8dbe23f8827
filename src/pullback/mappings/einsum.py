"""Einstein sums: products of arrays whose axes are named, summed over the names that the result lacks.

An einsum of any number of arrays is a chain of contractions of two, in the order that costs least. The
one mapping needed is a contraction of two arrays in which no array names an axis twice and no name
stands alone: its transposes are contractions again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.families import bilinear
from ..core.samples import Sample, fixed
from ..core.spec import Shape, Spec, ndim_of, operand, result_dtype, shape_of
from .diagonals import _diagonal
from .reduce import _sum
from .shape import _permute_dims, _reshape

__all__ = ["einsum"]

Names = tuple[int, ...]


# ------------------------------------------------------------------------------- the contraction of two


@lru_cache(maxsize=1024)
def _layout(in_a: Names, in_b: Names, out: Names) -> tuple[Names, Names, Names, int, int]:
    """Return how to bring both arrays to stacks of matrices, and the product to its order.

    The axes of a become (shared, of a alone, summed), those of b (shared, summed, of b alone).
    """
    shared = [n for n in in_a if n in in_b and n in out]
    summed = [n for n in in_a if n in in_b and n not in out]
    of_a = [n for n in in_a if n not in in_b]
    of_b = [n for n in in_b if n not in in_a]
    product = shared + of_a + of_b
    return (
        tuple(in_a.index(n) for n in shared + of_a + summed),
        tuple(in_b.index(n) for n in shared + summed + of_b),
        tuple(product.index(n) for n in out),
        len(shared),
        len(summed),
    )


def _contract_kernel(a: Any, b: Any, *, in_a: Names, in_b: Names, out: Names) -> Any:
    order_a, order_b, order, shared, summed = _layout(in_a, in_b, out)
    a, b = np.transpose(a, order_a), np.transpose(b, order_b)
    lead, rows = a.shape[:shared], a.shape[shared : a.ndim - summed]
    middle, columns = b.shape[shared : shared + summed], b.shape[shared + summed :]
    k = math.prod(middle)
    stacks = a.reshape(*lead, math.prod(rows), k), b.reshape(*lead, k, math.prod(columns))
    product = dot(*stacks) if not shared else np.matmul(*stacks)
    return product.reshape(lead + rows + columns).transpose(order)


def dot(a: Any, b: Any) -> Any:
    """Return the product of two matrices in NumPy.

    Its `dot` is the quickest; but a matrix times a single number 0 it takes for 0, even where the matrix is infinite.
    """
    if a.shape[1] == 1 and (a.size == 1 or b.size == 1):
        return np.matmul(a, b)
    return a.dot(b)


def _contract_spec(a: Spec, b: Spec, *, in_a: Names, in_b: Names, out: Names) -> Spec:
    length = _length_of_names(a, b, in_a, in_b)
    return Spec(tuple(length[n] for n in out), result_dtype(a, b))


def _length_of_names(a: Spec, b: Spec, in_a: Names, in_b: Names) -> dict[int, int]:
    return dict(zip(in_a + in_b, a.shape + b.shape, strict=True))


def _contract_batch(batched: Sequence[bool], xs: Sequence[Any], *, in_a: Names, in_b: Names, out: Names) -> Any:
    example = max((*in_a, *in_b), default=0) + 1
    with_a, with_b = ((example,) if is_batched else () for is_batched in batched)
    return _contract(*xs, in_a=with_a + in_a, in_b=with_b + in_b, out=(example, *out))


_contract = bilinear(
    "contract",
    _contract_kernel,
    _contract_spec,
    (
        lambda g, a, b, *, in_a, in_b, out: _contract(g, b, in_a=out, in_b=in_b, out=in_a),
        lambda g, a, b, *, in_a, in_b, out: _contract(a, g, in_a=in_a, in_b=out, out=in_b),
    ),
    _contract_batch,
    formula=r"\sum {a} {b}",
    words="the products of {a} and {b}, summed over the axes that the result lacks",
    flops=lambda a, b, *, in_a, in_b, out: 2 * math.prod(_length_of_names(a, b, in_a, in_b).values()),
    lower="contract",
    onnx="Einsum",
    samples=fixed(
        lambda rng: [
            Sample(
                (rng.normal(size=(2, 3)), rng.normal(size=(3, 4))), {"in_a": (0, 1), "in_b": (1, 2), "out": (0, 2)}
            ),
            Sample(
                (rng.normal(size=(2, 3, 2)), rng.normal(size=(4, 2, 3))),
                {"in_a": (0, 1, 2), "in_b": (3, 0, 1), "out": (3, 0, 2)},
            ),
            Sample((rng.normal(size=(3,)), rng.normal(size=(3,))), {"in_a": (0,), "in_b": (0,), "out": ()}),
            Sample((rng.normal(size=(3,)), rng.normal(size=(2,))), {"in_a": (0,), "in_b": (1,), "out": (1, 0)}),
            Sample((rng.normal(size=()), rng.normal(size=(2,))), {"in_a": (), "in_b": (1,), "out": (1,)}),
            Sample(
                (rng.normal(size=(2, 0)), rng.normal(size=(0, 2))), {"in_a": (0, 1), "in_b": (1, 2), "out": (0, 2)}
            ),
        ]
    ),
)


def contract(a: Any, b: Any, in_a: Names, in_b: Names, out: Names) -> Any:
    """Return the products of two arrays without repeated names, summed over the names that `out` lacks."""
    a, in_a = _without_lone(a, in_a, {*in_b, *out})
    b, in_b = _without_lone(b, in_b, {*in_a, *out})
    return _contract(a, b, in_a=in_a, in_b=in_b, out=out)


def _without_lone(x: Any, names: Names, others: set[int]) -> tuple[Any, Names]:
    """Sum `x` over the axes whose names occur nowhere else."""
    lone = tuple(axis for axis, n in enumerate(names) if n not in others)
    if lone:
        x = _sum(x, axis=lone, keepdims=False)
        names = tuple(n for n in names if n in others)
    return x, names


# ------------------------------------------------------------------------------------------------ einsum


def einsum(subscripts: str, *operands: Any) -> Any:
    """Return the products of the operands, summed over the letters that stand only left of the arrow.

    `subscripts` names the axes of each operand by letters, `"ij,jk->ik"`; without an arrow the result has
    the letters that occur once, in alphabetical order. `...` stands for axes that broadcast. A letter
    twice in one operand takes the diagonal. Raises ShapeError when the letters do not fit the operands,
    ValueError when the subscripts cannot be read.

    >>> import pullback as pb
    >>> a = pb.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> pb.einsum("ij,kj->ik", a, a).tolist()
    [[5.0, 11.0], [11.0, 25.0]]
    """
    xs = [operand(x) for x in operands]
    shapes = tuple(shape_of(x) for x in xs)
    names, out = _parse(subscripts, shapes)
    length = _lengths(subscripts, names, shapes)
    pairs = [_narrowed(x, shape, of_x, length) for x, shape, of_x in zip(xs, shapes, names, strict=True)]
    while len(pairs) > 1:
        i, j = _cheapest(tuple(n for _, n in pairs), out, tuple(sorted(length.items()))) if len(pairs) > 2 else (0, 1)
        (b, in_b), (a, in_a) = pairs.pop(j), pairs.pop(i)
        wanted = {*out, *(n for _, of_x in pairs for n in of_x)}
        kept = tuple(dict.fromkeys(n for n in in_a + in_b if n in wanted)) if pairs else out
        pairs.append((contract(a, b, in_a, in_b, kept), kept))
    x, of_x = _without_lone(*pairs[0], set(out))
    return x if len(xs) > 1 else _permute_dims(x, axes=tuple(of_x.index(n) for n in out))


@lru_cache(maxsize=1024)
def _parse(subscripts: str, shapes: tuple[Shape, ...]) -> tuple[tuple[Names, ...], Names]:
    """Return the names of the axes of each operand and of the result; the axes of `...` get negative names."""
    left, arrow, right = subscripts.replace(" ", "").partition("->")
    terms = left.split(",")
    for part in (*terms, right):
        if not all(c.isascii() and c.isalpha() for c in part.replace("...", "", 1)):
            raise ValueError(f"einsum: {subscripts!r} holds something else than letters, ',', '...' and '->'")
    if len(terms) != len(shapes):
        raise ValueError(f"einsum: {subscripts!r} names {len(terms)} operands, got {len(shapes)}")
    rank = 0
    for i, (term, shape) in enumerate(zip(terms, shapes, strict=True)):
        unnamed = len(shape) - len(term.replace("...", ""))
        if unnamed < 0 or (unnamed and "..." not in term):
            raise ShapeError(f"einsum: {term!r} in {subscripts!r} does not fit operand {i} of shape {shape}")
        rank = max(rank, unnamed) if "..." in term else rank

    def expand(term: str, count: int) -> Iterator[int]:
        before, dots, behind = term.partition("...")
        yield from map(ord, before)
        if dots:
            yield from range(-count, 0)
        yield from map(ord, behind)

    names = tuple(
        tuple(expand(term, len(shape) - len(term.replace("...", ""))))
        for term, shape in zip(terms, shapes, strict=True)
    )
    if not arrow:
        letters = left.replace("...", "").replace(",", "")
        return names, (*range(-rank, 0), *(ord(c) for c in sorted(set(letters)) if letters.count(c) == 1))
    out = tuple(expand(right, rank))
    if len(set(out)) != len(out):
        raise ValueError(f"einsum: the result of {subscripts!r} names an axis twice")
    if missing := set(out) - {n for of_x in names for n in of_x}:
        raise ValueError(f"einsum: the result of {subscripts!r} names {chr(missing.pop())!r}, which no operand has")
    return names, out


@lru_cache(maxsize=1024)
def _lengths(subscripts: str, names: tuple[Names, ...], shapes: tuple[Shape, ...]) -> dict[int, int]:
    length: dict[int, int] = {}
    for i, (of_x, shape) in enumerate(zip(names, shapes, strict=True)):
        for name, n in zip(of_x, shape, strict=True):
            if length.setdefault(name, n) == 1:
                length[name] = n
            elif n not in (1, length[name]):
                axis = repr(chr(name)) if name >= 0 else "an axis of '...'"
                raise ShapeError(
                    f"einsum: {axis} in {subscripts!r} has length {length[name]}, but {n} in operand {i}; "
                    f"the shapes are {', '.join(map(str, shapes))}"
                )
    return length


def _narrowed(x: Any, shape: Shape, names: Names, length: dict[int, int]) -> tuple[Any, Names]:
    """Leave out axes of length 1 that others stretch, and take the diagonal of axes of the same name."""
    stretched = [axis for axis, n in enumerate(names) if shape[axis] != length[n]]
    if stretched:
        x = _reshape(x, shape=tuple(n for axis, n in enumerate(shape) if axis not in stretched))
        names = tuple(n for axis, n in enumerate(names) if axis not in stretched)
    while len(set(names)) < len(names):
        i = next(axis for axis, n in enumerate(names) if n in names[axis + 1 :])
        j = names.index(names[i], i + 1)
        rest = [axis for axis in range(ndim_of(x)) if axis not in (i, j)]
        x = _diagonal(_permute_dims(x, axes=(*rest, i, j)), offset=0)
        names = (*(names[axis] for axis in rest), names[i])
    return x, names


@lru_cache(maxsize=1024)
def _cheapest(names: tuple[Names, ...], out: Names, lengths: tuple[tuple[int, int], ...]) -> tuple[int, int]:
    """Return which two of several arrays to contract next: the pair with the fewest products to add up."""
    length = dict(lengths)

    def cost(i: int, j: int) -> tuple[int, int]:
        others = {*out, *(n for k, of_x in enumerate(names) if k not in (i, j) for n in of_x)}
        both = {*names[i], *names[j]}
        work = math.prod(length[n] for n in both)
        return work, math.prod(length[n] for n in both & others)

    return min(((i, j) for j in range(len(names)) for i in range(j)), key=lambda pair: cost(*pair))
