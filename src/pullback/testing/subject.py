"""What the laws are asked about: a mapping together with the inputs that its declaration provides."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ..core.interpret import EVALUATE, interpreting
from ..core.mapping import Mapping
from ..core.samples import Sample
from ..core.spec import dtype_of, spec_of
from ..transforms.backward import numbers_of
from .law import NotApplicable

__all__ = ["Case", "Subject", "arrays_of"]

class Subject:
    """A mapping and its cases, one for each sample; the random numbers depend on nothing but its name."""

    def __init__(self, mapping: Mapping) -> None:
        self.mapping = mapping

    @cached_property
    def cases(self) -> list[Case]:
        """The cases; raises `NotApplicable` when the declaration has no samples (a gap of the law `facets`)."""
        return [Case(self, i, sample) for i, sample in enumerate(self.draw(0))]

    @property
    def smooth_cases(self) -> list[Case]:
        """The cases in which something depends smoothly on something."""
        if not self.mapping.differentiable:
            raise NotApplicable("the output does not depend smoothly on any input")
        smooth = [case for case in self.cases if case.active and case.has_real_output]
        if not smooth:
            raise NotApplicable("no sample has a real floating input and output")
        return smooth

    def draw(self, seed: int) -> list[Sample]:
        """Draw the samples of the declaration once more."""
        if self.mapping.samples is None:
            raise NotApplicable("the declaration has no samples")
        return list(self.mapping.samples(np.random.default_rng([seed, zlib.crc32(self.mapping.name.encode())])))


class Case:
    """One application of the mapping: arrays, static parameters, and which inputs a gradient exists for."""

    def __init__(self, subject: Subject, index: int, sample: Sample) -> None:
        self.subject = subject
        self.index = index
        self.args: tuple[Any, ...] = tuple(sample.args)
        self.static = dict(sample.static)

    @property
    def mapping(self) -> Mapping:
        """The mapping; asked for anew each time, so that a patched facet is seen."""
        return self.subject.mapping

    def with_args(self, args: Sequence[Any]) -> Case:
        """The same case with other arrays."""
        return Case(self.subject, self.index, Sample(tuple(args), self.static))

    @cached_property
    def active(self) -> tuple[int, ...]:
        """The numbers of the real floating inputs."""
        return tuple(i for i, x in enumerate(self.args) if hasattr(x, "dtype") and x.dtype.kind == "f")

    @cached_property
    def has_real_output(self) -> bool:
        """Whether some output is real and floating."""
        return any(y.dtype.kind == "f" for y in self.outputs)

    @cached_property
    def outputs(self) -> list[np.ndarray[Any, Any]]:
        """What `evaluate` gives, as a list of arrays."""
        return self.evaluate(self.args)

    @property
    def size(self) -> int:
        """The number of elements of all active inputs and outputs together."""
        return sum(np.size(self.args[i]) for i in self.active) + sum(y.size for y in self.outputs)

    @cached_property
    def coarseness(self) -> float:
        """How many times coarser than float64 the coarsest real input or output is."""
        real = [self.args[i].dtype for i in self.active] + [y.dtype for y in self.outputs if y.dtype.kind == "f"]
        return max((float(np.finfo(dtype).eps) for dtype in real), default=2.0**-52) * 2.0**52

    def name(self, i: int) -> str:
        """The name of argument `i`, as the declaration gives it."""
        names = self.mapping.arguments
        return names[i] if i < len(names) else f"{names[-1]}[{i}]"

    def __str__(self) -> str:
        shown = [f"{self.name(i)}: {spec_of(x)}" for i, x in enumerate(self.args)]
        shown += [f"{key}={value!r}" for key, value in self.static.items()]
        return f"sample {self.index} ({', '.join(shown)})"

    def evaluate(self, args: Sequence[Any]) -> list[np.ndarray[Any, Any]]:
        """The value on plain arrays, as a list of arrays."""
        with interpreting(EVALUATE):
            return arrays_of(self.mapping.evaluate(*args, **self.static))

    def apply(self, *args: Any) -> Any:
        """Apply the mapping in the present context."""
        return self.mapping(*args, **self.static)

    def function(self, wanted: Sequence[int]) -> Callable[..., tuple[Any, ...]]:
        """Return the real outputs as a function of the inputs in `wanted`, the others fixed."""

        def of_wanted(*new: Any) -> tuple[Any, ...]:
            y = self.apply(*self.substituted(wanted, new))
            return tuple(part for part in (y if isinstance(y, tuple) else (y,)) if dtype_of(part).kind == "f")

        return of_wanted

    def substituted(self, wanted: Sequence[int], new: Sequence[Any]) -> list[Any]:
        """Return the arrays with those in `wanted` replaced."""
        args = list(self.args)
        for i, x in zip(wanted, new, strict=True):
            args[i] = x
        return args

    def primals(self, wanted: Sequence[int]) -> list[Any]:
        """Return the inputs in `wanted`."""
        return [self.args[i] for i in wanted]

    def real_outputs(self, args: Sequence[Any]) -> list[np.ndarray[Any, Any]]:
        """The real outputs on plain arrays."""
        return [y for y in self.evaluate(args) if y.dtype.kind == "f"]

    def directions(self, wanted: Sequence[int], seed: int = 0) -> list[np.ndarray[Any, Any]]:
        """Random directions for the inputs in `wanted`, with largest entry 1."""
        rng = self.rng(seed + 1)
        return [self._direction(rng, self.args[i]) for i in wanted]

    def cotangents(self, seed: int = 0) -> tuple[np.ndarray[Any, Any], ...]:
        """Random cotangents for the real outputs."""
        rng = self.rng(seed + 1000)
        return tuple(
            rng.standard_normal(y.shape).astype(y.dtype)[()] for y in self.outputs if y.dtype.kind == "f"
        )

    def rng(self, seed: int) -> np.random.Generator:
        """Random numbers that depend on the mapping, the case and `seed` only."""
        return np.random.default_rng([seed, self.index, zlib.crc32(self.mapping.name.encode())])

    def _direction(self, rng: np.random.Generator, x: Any) -> np.ndarray[Any, Any]:
        v = rng.standard_normal(np.shape(x))
        return np.asarray(v / np.max(np.abs(v), initial=1e-3)).astype(x.dtype)

    def subsets(self) -> Iterator[tuple[int, ...]]:
        """Every non-empty subset of the active inputs; of more than four, those with at most two and all."""
        count = len(self.active)
        sizes = range(1, count + 1) if count <= 4 else (1, 2, count)
        for size in sizes:
            yield from itertools.combinations(self.active, size)


def arrays_of(y: Any) -> list[np.ndarray[Any, Any]]:
    """Return one value or several as a list of plain arrays."""
    return [np.asarray(numbers_of(part)) for part in (y if isinstance(y, tuple | list) else (y,))]
