"""A mapping: one declaration that drives computation, derivative, batching, tracing and explanation."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from collections.abc import Mapping as ReadOnlyDict
from dataclasses import dataclass, field
from typing import Any

from . import interpret
from .errors import UnsupportedError

__all__ = ["BOTH", "CATALOGUE", "INPUTS", "NOTHING", "OUTPUT", "Mapping", "Uses", "declare", "unsupported"]


@dataclass(frozen=True)
class Uses:
    """What the way back reads: the numbers of the inputs, of the output, of both, or only their specs."""

    inputs: bool
    output: bool


NOTHING = Uses(inputs=False, output=False)
INPUTS = Uses(inputs=True, output=False)
OUTPUT = Uses(inputs=False, output=True)
BOTH = Uses(inputs=True, output=True)


@dataclass(frozen=True)
class unsupported:  # reads as a word in a declaration
    """Stands where a facet would stand, and says why there is none. Using it raises `UnsupportedError`."""

    reason: str

    def __call__(self, *args: Any, **static: Any) -> Any:
        raise UnsupportedError(self.reason)


@dataclass(eq=False, repr=False)
class Mapping:
    """A mapping from arrays to an array, with its facets.

    Arrays are positional, static parameters keyword-only. Facets:

    - `evaluate(*xs, **static)`: the value, on plain arrays.
    - `spec(*specs, **static)`: shape and dtype of the value.
    - `pullback(g, y, *xs, needs, **static)`: one cotangent per input, or None for zero. `needs[i]` is
      true when input i wants one. What `uses` does not name arrives as a `Spec` instead of numbers.
    - `pushforward(ts, y, *xs, **static)`: the tangent of the value; a tangent None is zero.
    - `batch(batched, xs, **static)`: the value with a new axis 0, where `batched[i]` says whether `xs[i]`
      carries that axis.
    - `body(*xs, **static)`: of a composite, the same written in mappings; every missing facet comes from it.
    - `unrolled(*xs, **static)`: of a loop, the same written in the mappings of all its steps, which the compiler takes
      while they are few; `unrolled_size(**static)` says how many they are.
    - `tables(*specs, **static)`: of what takes fixed weighted sums along axes, one axis after the other: for each its
      number, which elements are summed (terms, length; -1 for none), and their weights (the like; None for 1).
    - `outputs`: None for one value; of a mapping with several how many, 0 where that depends on the inputs.
    - `differentiable`: False when the output does not depend smoothly on any input (comparisons, indices).
    - `derivative`, `transpose`: what the family was given, kept for explanation.
    - `formula`, `words`: how it is written and how it is said, with the argument names in braces.
    - `lower`, `onnx`: names, resolved on a higher floor.
    - `flops(*specs, **static)`: how many operations it takes, a product and a sum being two, where these are not
      the ones that its family takes (see `transforms.tally`).
    - `samples(rng)`: inputs for the contract. `special`, `special_slope`: edge values (a tuple where there
      are several arguments; "-0.0" for the number that as a key equals 0.0) with the expected value, and with
      the expected derivative(s).
    - `kink`: the choice made where the derivative does not exist.
    - `refuses`: True where it raises an error for some values, so that it is recorded even if its value is not needed.
    """

    name: str
    family: str
    evaluate: Callable[..., Any]
    spec: Callable[..., Any] | None = None
    pullback: Callable[..., Any] | None = None
    pushforward: Callable[..., Any] | None = None
    batch: Callable[..., Any] | None = None
    body: Callable[..., Any] | None = None
    arguments: tuple[str, ...] = ("x",)
    uses: Uses = BOTH
    differentiable: bool = True
    outputs: int | None = None
    derivative: tuple[Callable[..., Any], ...] | None = None
    transpose: tuple[Callable[..., Any], ...] | None = None
    formula: str | Callable[..., str] = ""
    words: str = ""
    lower: str | unsupported | None = None
    onnx: str | unsupported | None = None
    flops: Callable[..., int] | None = None
    samples: Callable[..., Any] | None = None
    special: ReadOnlyDict[Any, Any] = field(default_factory=dict)
    special_slope: ReadOnlyDict[Any, Any] = field(default_factory=dict)
    kink: str | None = None
    refuses: bool = False
    unrolled: Callable[..., Any] | None = None
    unrolled_size: Callable[..., int] | None = None
    tables: Callable[..., Any] | None = None
    doc: str = ""

    def __post_init__(self) -> None:
        self.__name__ = self.name
        self.__doc__ = self.doc or f"The mapping {self.name}: {self.words or self.formula}."

    def __call__(self, *args: Any, **static: Any) -> Any:
        return interpret._context.get().apply(self, args, static)

    def __repr__(self) -> str:
        return f"<mapping {self.name}>"

    def replace(self, **facets: Any) -> Mapping:
        """Return a copy with some facets replaced (not entered in the catalogue)."""
        return dataclasses.replace(self, **facets)


CATALOGUE: dict[str, Mapping] = {}


def declare(mapping: Mapping) -> Mapping:
    """Enter `mapping` in the catalogue and return it. Raises ValueError when the name is taken."""
    if mapping.name in CATALOGUE:
        raise ValueError(f"declare: the catalogue already has a mapping {mapping.name!r}")
    CATALOGUE[mapping.name] = mapping
    return mapping
