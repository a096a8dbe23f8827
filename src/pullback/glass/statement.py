"""The gradient of a whole array in one line with indices: ∂L/∂W[i,j] = Σ_n g[n,i] · x[n,j].

Where the mapping acts on the elements one by one or folds axes, the indices follow from the family. For
anything else they are found by asking: unit tangents are pushed through the mapping, at random values of its
other inputs, and the places at which each of these values comes out again show which axes belong together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ..core.families import reduced_shape
from ..core.mapping import Mapping
from ..core.spec import Spec, dtype_of, shape_of, spec_of
from .formula import Formula, as_formula, to_unicode
from .formula.parentheses import level
from .formula.tree import MULTIPLYING, Name
from .slopes import pushed, unit
from .symbols import Word, rounded, written

__all__ = ["Structure", "index_of_factor", "pullback_formula", "statement", "structure"]

Element = tuple[int, ...]
FREE, SUMMED = "ijklabcd", "nmpqrstu"
TRIES, MOST_SEEN, MOST_WORK, LITTLE_WORK = 6, 64, 2_000_000, 10_000
SMALL = (2, 3, 5, 7, 11, 13)


@dataclass(frozen=True)
class Structure:
    """∂y[out]/∂x[into] = coefficient · factor[through], where letters name the axes; a letter "0" is a fixed 0.

    `factor` is the position of another input, or None. Letters of `out` that `into` lacks are summed over.
    """

    into: tuple[str, ...]
    out: tuple[str, ...]
    factor: int | None
    through: tuple[str, ...]
    coefficient: float


def statement(
    mapping: Mapping,
    static: dict[str, Any],
    inputs: Sequence[Any],
    y: Any,
    position: int,
    names: Sequence[str],
    name: str,
    incoming: str,
    loss: str,
) -> str | None:
    """Return the line, with these names of the inputs, the output and the loss; None where no indices are found."""
    x = inputs[position]
    if y.__class__ is tuple:
        return None
    if mapping.family == "elementwise" and mapping.derivative is not None:
        return _pointwise(mapping, static, inputs, y, position, names, name, incoming, loss)
    if mapping.family == "reduction" and mapping.derivative is not None:
        return _folded(mapping, static, x, y, names[0], name, incoming, loss)
    found = structure(mapping, static, inputs, position)
    if found is None:
        return None
    factors = [_indexed(incoming, found.out)]
    if found.factor is not None:
        factors.append(_indexed(names[found.factor], found.through))
    if found.coefficient != 1:
        factors.insert(0, rounded(found.coefficient))
    return _line(loss, names[position], found.into, found.out, " · ".join(factors))


def _pointwise(
    mapping: Mapping,
    static: dict[str, Any],
    inputs: Sequence[Any],
    y: Any,
    position: int,
    names: Sequence[str],
    name: str,
    incoming: str,
    loss: str,
) -> str | None:
    shape, out_shape = shape_of(inputs[position]), shape_of(y)
    letters = _letters(shape, out_shape)
    words: list[Any] = []
    for x, shown in zip(inputs, names, strict=True):
        if np.ndim(x) == 0 and not isinstance(x, np.ndarray):
            words.append(Word(as_formula(shown), as_formula(shown), spec_of(x)) if not _is_number(shown) else x)
        else:
            symbol = Name(_indexed(shown, _letters_of(shape_of(x), out_shape, letters)))
            words.append(Word(symbol, symbol, Spec((), dtype_of(x))))
    result = Name(_indexed(name, letters))
    assert mapping.derivative is not None
    rule = written(mapping.derivative[position], [*words, Word(result, result, Spec((), dtype_of(y)))], **static)
    if rule is None:
        return None
    into = _letters_of(shape, out_shape, letters)
    return _line(loss, names[position], into, letters, _times(_indexed(incoming, letters), rule[0]))


def _folded(
    mapping: Mapping, static: dict[str, Any], x: Any, y: Any, shown: str, name: str, incoming: str, loss: str
) -> str | None:
    shape, rest = shape_of(x), {key: value for key, value in static.items() if key != "keepdims"}
    if "axis" not in static or len(shape) > len(FREE):
        return None
    into = tuple(FREE[i] for i in range(len(shape)))
    axis, keepdims = static["axis"], bool(static.get("keepdims"))
    out = tuple("0" if i in axis else into[i] for i in range(len(shape)) if keepdims or i not in axis)
    kept = Spec(reduced_shape(shape, axis, True), dtype_of(y))
    words = [
        Word(Name(_indexed(shown, into)), Name(shown), spec_of(x)),
        Word(Name(_indexed(name, out)), Name(name), kept),
    ]
    assert mapping.derivative is not None
    rule = written(mapping.derivative[0], words, **rest)
    return None if rule is None else _line(loss, shown, into, into, _times(_indexed(incoming, out), rule[0]))


def pullback_formula(
    mapping: Mapping,
    static: dict[str, Any],
    inputs: Sequence[Any],
    y: Any,
    position: int,
    names: Sequence[str],
    name: str,
    incoming: str,
) -> Formula | None:
    """Return what the mapping's own pullback writes for one input, in the names of whole arrays."""
    if mapping.pullback is None or y.__class__ is tuple:
        return None
    words = [
        x if _is_number(shown) else Word(as_formula(shown), as_formula(shown), spec_of(x))
        for x, shown in zip(inputs, names, strict=True)
    ]
    needs = [i == position for i in range(len(inputs))]
    pullback = mapping.pullback
    rule = written(
        lambda g, y, *xs: pullback(g, y, *xs, needs=needs, **static)[position],
        [
            Word(as_formula(incoming), as_formula(incoming), spec_of(y)),
            Word(as_formula(name), as_formula(name), spec_of(y)),
            *words,
        ],
    )
    return None if rule is None else rule[0]


# ------------------------------------------------------------------------------- finding the structure


def structure(mapping: Mapping, static: dict[str, Any], inputs: Sequence[Any], position: int) -> Structure | None:
    """Return which axes belong together in ∂y/∂(input `position`), where that is at most one other input's element."""
    specs = tuple(spec_of(x) for x in inputs)
    if any(spec.dtype.kind not in "f" for spec in specs) or mapping.family in ("elementwise", "user"):
        return None
    work = sum(spec.size for spec in specs)
    if any(spec.ndim > len(FREE) // 2 for spec in specs):
        return None
    for tried in (_shrunk(mapping, static, specs), specs) if work > LITTLE_WORK else (specs,):
        if tried is None or (tried is specs and work > MOST_WORK):
            continue
        try:
            with np.errstate(all="ignore"):
                found = _structure(mapping, tuple(sorted(static.items())), tried, position)
        except Exception:  # a rule that reads its inputs in some other way, or static parameters that name lengths
            found = None
        if found is not None:
            return found
    return None


def _shrunk(mapping: Mapping, static: dict[str, Any], specs: Sequence[Spec]) -> tuple[Spec, ...] | None:
    """Return the same specs with short axes: equal lengths stay equal, a length of 1 stays 1.

    None where the output does not shrink in the same way: a window may be longer than what it slides over then.
    """
    lengths = {n: None for spec in specs for n in spec.shape if n > 1}
    short = dict(zip(lengths, SMALL, strict=False)) | {1: 1}

    def shrunk(shape: Element) -> Element:
        return tuple(short.get(n, n) for n in shape)

    small = tuple(Spec(shrunk(spec.shape), spec.dtype, spec.weak) for spec in specs)
    try:
        y, less = (mapping.spec(*given, **static) for given in (specs, small))  # type: ignore[misc]  # none: see below
    except Exception:  # no spec, or static parameters that name lengths
        return None
    return small if y.__class__ is not tuple and less.shape == shrunk(y.shape) else None


@lru_cache(maxsize=256)
def _structure(
    mapping: Mapping, static_items: tuple[tuple[str, Any], ...], specs: tuple[Spec, ...], position: int
) -> Structure | None:
    rng = np.random.default_rng(0)
    static = dict(static_items)
    inputs = [np.asarray(rng.standard_normal(spec.shape), spec.dtype) for spec in specs]
    y = mapping.evaluate(*inputs, **static)
    if y.__class__ is tuple or 0 in shape_of(y) or 0 in specs[position].shape:
        return None
    shape, out_shape = specs[position].shape, shape_of(y)
    seen: list[tuple[Element, Element, float, int]] = []
    for attempt in range(TRIES):
        index = tuple(int(rng.integers(n)) if attempt > 1 else (n - 1) * attempt for n in shape)
        ts: list[Any] = [None] * len(inputs)
        ts[position] = unit(inputs[position], index)
        (t,) = pushed(mapping, static, inputs, y, ts)
        t = np.zeros(out_shape) if t is None else np.asarray(t)
        places = np.argwhere(t)
        if len(places) > MOST_SEEN:
            places_seen = places[rng.choice(len(places), MOST_SEEN, replace=False)]
        else:
            places_seen = places
        seen.extend((index, tuple(map(int, p)), float(t[tuple(p)]), len(places)) for p in places_seen)
        moved = list(inputs)  # linear in this input: the same at another point of it
        moved[position] = np.asarray(rng.standard_normal(shape), specs[position].dtype)
        if mapping.family == "composite" and attempt == 0:
            (again,) = pushed(mapping, static, moved, mapping.evaluate(*moved, **static), ts)
            if again is None or not np.array_equal(np.asarray(again), t):
                return None
    if not seen:
        return None
    return _read(seen, shape, out_shape, inputs, position)


def _read(
    seen: list[tuple[Element, Element, float, int]],
    shape: Element,
    out_shape: Element,
    inputs: Sequence[Any],
    position: int,
) -> Structure | None:
    values = np.array([value for _, _, value, _ in seen])
    factor, through, coefficient = None, np.zeros((len(seen), 0), int), float(values[0])
    if not np.all(values == values[0]):
        for other, x in enumerate(inputs):
            where = None if other == position else _found_in(values, np.asarray(x))
            if where is not None:
                factor, through, coefficient = other, where, 1.0
                break
        else:
            return None
    into = np.array([index for index, _, _, _ in seen]).reshape(len(seen), len(shape))
    out = np.array([place for _, place, _, _ in seen]).reshape(len(seen), len(out_shape))
    into_letters = tuple(FREE[i] for i in range(len(shape)))
    out_letters: list[str] = []
    summed = iter(SUMMED)
    for axis, n in enumerate(out_shape):
        same = [i for i, m in enumerate(shape) if m == n and np.array_equal(into[:, i], out[:, axis])]
        out_letters.append("0" if n == 1 else into_letters[same[0]] if same else next(summed))
    free = math.prod(n for n, letter in zip(out_shape, out_letters, strict=True) if letter in SUMMED)
    if any(count != free for _, _, _, count in seen):
        return None  # not every element of the result that the letters speak of depends on the input
    through_letters: list[str] = []
    known = [(letter, into[:, i]) for i, letter in enumerate(into_letters)]
    known += [(letter, out[:, i]) for i, letter in enumerate(out_letters) if letter != "0"]
    factor_shape = shape_of(inputs[factor]) if factor is not None else ()
    for axis, n in enumerate(factor_shape):
        letter = next((letter for letter, where in known if np.array_equal(where, through[:, axis])), None)
        if n == 1:
            letter = "0"
        if letter is None:
            return None
        through_letters.append(letter)
    return Structure(into_letters, tuple(out_letters), factor, tuple(through_letters), coefficient)


def _found_in(values: Any, x: Any) -> Any:
    """Return where each value stands in an array; None unless all of them do."""
    flat = x.reshape(-1)
    order = np.argsort(flat)
    at = np.minimum(np.searchsorted(flat[order], values.astype(flat.dtype)), flat.size - 1)
    if not np.array_equal(flat[order][at].astype(float), values):
        return None
    return np.stack(np.unravel_index(order[at], x.shape), axis=1) if x.ndim else np.zeros((len(values), 0), int)


def index_of_factor(found: Structure, into: Element, out: Element) -> Element:
    """Return which element of the factor stands in ∂y[out]/∂x[into]."""
    known = dict(zip(found.out, out, strict=True)) | dict(zip(found.into, into, strict=True)) | {"0": 0}
    return tuple(known[letter] for letter in found.through)


# --------------------------------------------------------------------------------------------- writing


def _letters(shape: Element, out_shape: Element) -> tuple[str, ...]:
    """Name the axes of a result: those that an input of `shape` has, and those that broadcasting added."""
    free, summed = iter(FREE), iter(SUMMED)
    padded = (1,) * (len(out_shape) - len(shape)) + shape
    return tuple(
        next(free) if n == m and (n > 1 or m == 1) else next(summed) for n, m in zip(padded, out_shape, strict=True)
    )


def _letters_of(shape: Element, out_shape: Element, letters: Sequence[str]) -> tuple[str, ...]:
    tail = letters[len(out_shape) - len(shape) :]
    lengths = out_shape[len(out_shape) - len(shape) :]
    return tuple("0" if n == 1 and m != 1 else letter for n, m, letter in zip(shape, lengths, tail, strict=True))


def _indexed(name: str, letters: Sequence[str]) -> str:
    return f"{name}[{','.join(letters)}]" if letters else name


def _line(loss: str, name: str, into: Sequence[str], out: Sequence[str], product: str) -> str:
    summed = sorted({letter for letter in out if letter in SUMMED}, key=SUMMED.index)
    sign = f"Σ_{','.join(summed)} " if summed else ""
    return f"∂{loss}/∂{_indexed(name, into)} = {sign}{product}"


def _times(incoming: str, slope: Formula) -> str:
    shown = to_unicode(slope)
    if shown == "1":
        return incoming
    if shown in ("−1", "-1"):
        return f"−{incoming}"
    return f"{incoming} · {shown}" if level(slope, bars=False) >= MULTIPLYING else f"{incoming} · ({shown})"


def _is_number(shown: str) -> bool:
    return not shown[:1].isalpha()
