"""gradcheck: hold the gradients of any function to finite differences, and show the counterexample."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core import tree
from ..core.errors import GradientError, PullbackError
from ..core.spec import spec_of
from ..core.value import Value
from ..tensor import asarray
from ..transforms import no_grad, vjp
from ..transforms.backward import numbers_of
from .differences import one_sided, slope

__all__ = ["Entry", "GradcheckError", "GradientReport", "gradcheck"]

Array = np.ndarray[Any, Any]
MOST_ELEMENTS = 256


@dataclass(frozen=True)
class Entry:
    """One entry of a Jacobian: where it is, what the rules say, and what finite differences say."""

    argument: str
    element: tuple[int, ...]
    output: tuple[int, ...]
    analytic: float
    numeric: float
    kink: tuple[float, float] | None = None

    @property
    def ratio(self) -> float:
        """Analytic over numeric."""
        return self.analytic / self.numeric if self.numeric else float("inf") if self.analytic else 1.0

    def __str__(self) -> str:
        at = f"∂f{_index(self.output)}/∂{self.argument}{_index(self.element)}"
        if self.kink is not None:
            left, right = self.kink
            return f"{at}: gradient {self.analytic:.8g}, at a kink with slope {left:.6g} before and {right:.6g} after"
        return (
            f"{at}: gradient {self.analytic:.10g}, finite difference {self.numeric:.10g} (ratio {self.ratio:.6g})"
        )


@dataclass
class GradientReport:
    """What `gradcheck` found.

    `checked` counts the entries of the Jacobian that were compared, `worst` is the largest relative error
    among them, `kinks` and `uncertain` are entries that finite differences cannot decide.
    """

    checked: int = 0
    worst: float = 0.0
    failures: list[Entry] = field(default_factory=list)
    kinks: list[Entry] = field(default_factory=list)
    uncertain: list[Entry] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list, repr=False)
    sampled: bool = False

    def add(self, entry: Entry, *, agrees: bool, sides: tuple[float, float], noise: float, settled: bool) -> None:
        """Take in one entry: `sides` are the slopes before and after, which differ by more than `noise` at a kink;
        `settled` says that the finite difference converged."""
        self.checked += 1
        self.entries.append(entry)
        low, high = sorted(sides)
        if noise + 1e-3 * (abs(low) + abs(high)) < high - low < np.inf:
            margin = 1e-6 * (abs(low) + abs(high))
            between = low - margin <= entry.analytic <= high + margin
            (self.kinks if between else self.failures).append(dataclasses.replace(entry, kink=sides))
        elif not agrees and not settled:
            self.uncertain.append(entry)
        else:
            self.worst = max(self.worst, abs(entry.analytic - entry.numeric) / max(abs(entry.numeric), 1e-3))
            if not agrees:
                self.failures.append(entry)

    @property
    def ok(self) -> bool:
        """Whether every entry that could be decided agrees."""
        return not self.failures

    def __str__(self) -> str:
        lines = [
            f"{self.checked} derivatives checked against finite differences"
            + (" (a random choice)" if self.sampled else "")
            + f": {'all agree' if self.ok else f'{len(self.failures)} disagree'}"
            + f", largest relative error {self.worst:.1e}"
        ]
        lines += [f"  wrong: {entry}" for entry in self.failures[:5]]
        lines += [f"  kink: {entry}" for entry in self.kinks[:5]]
        lines += [f"  undecided, the differences do not settle: {entry}" for entry in self.uncertain[:5]]
        return "\n".join(lines)


class GradcheckError(PullbackError, AssertionError):
    """A gradient differs from finite differences; `report` has every entry."""

    def __init__(self, message: str, report: GradientReport) -> None:
        super().__init__(message)
        self.report = report


def gradcheck(
    f: Callable[..., Any],
    *args: Any,
    eps: float | None = None,
    rtol: float = 1e-6,
    atol: float = 1e-9,
    names: Sequence[str] | None = None,
) -> GradientReport:
    """Hold the gradients of `f` at `args` to finite differences.

    The whole Jacobian ∂fⱼ/∂xᵢ is compared, entry by entry, in float64 whatever the dtype of the
    arguments; with more than 256 elements in the arguments, or in the value, 256 of them are chosen at
    random. The differences are central ones, extrapolated (see `differences.slope`).

    `args`: arrays, tensors, numbers, or nested containers of them; integer arguments are held fixed.
    `eps`: the largest step of the differences, by default 0.02 · max(|x|, 0.1).
    `rtol`, `atol`: how far a gradient may be from the difference. `names`: what to call the arguments.

    Returns a `GradientReport`. At a kink, where the differences from left and right disagree, any value between the
    two is accepted, and the report names the place. Raises GradcheckError with the counterexample otherwise,
    GradientError when no argument is real and floating.

    >>> import numpy as np, pullback as pb
    >>> print(gradcheck(lambda x: pb.sum(x * x), np.array([1.0, 2.0])))
    2 derivatives checked against finite differences: all agree, largest relative error ...
    """
    leaves, structure = tree.flatten(args)
    leaves = [_wide(x) for x in leaves]
    titles = _titles(args, names)
    active = [i for i, x in enumerate(leaves) if isinstance(x, np.ndarray | np.generic) and x.dtype.kind == "f"]
    if not active:
        raise GradientError("gradcheck: no argument is a real floating array, so there is no gradient to check")
    rng = np.random.default_rng(0)

    def of_active(*new: Any) -> Any:
        full = list(leaves)
        for i, x in zip(active, new, strict=True):
            full[i] = x
        y = f(*tree.unflatten(structure, full))
        return tuple(part for part in tree.leaves(y) if spec_of(part).dtype.kind == "f")

    def numbers(*new: Any) -> Array:
        with no_grad(), np.errstate(all="ignore"):
            return _flat([numbers_of(part) for part in of_active(*(asarray(x) for x in new))])

    xs = [leaves[i] for i in active]
    value, back = vjp(of_active, *xs)
    shapes = [spec_of(y).shape for y in value]
    if not shapes:
        raise GradientError("gradcheck: no value of the function is real and floating")
    dtypes = [spec_of(y).dtype for y in value]
    coarseness = max(float(np.finfo(dtype).eps) for dtype in dtypes) * 2.0**52
    report = GradientReport()
    outputs = _places(shapes)
    rows = _chosen(rng, len(outputs), report)
    jacobian = np.array([_flat(back(_basis(shapes, dtypes, row))) for row in rows])
    elements = _places([np.shape(x) for x in xs])
    for column in _chosen(rng, len(elements), report):
        which, element = elements[column]

        def line(t: float, which: int = which, element: tuple[int, ...] = element) -> Array:
            moved = [np.array(x) for x in xs]
            moved[which][element] += t
            return numbers(*(x[()] for x in moved))[rows]

        size = abs(float(np.asarray(xs[which])[element]))
        step = 0.02 * max(size, 0.1) if eps is None else eps
        numeric, error = slope(line, step=step, halvings=12, coarseness=coarseness)
        agree = np.abs(jacobian[:, column] - numeric) <= atol + rtol * np.abs(numeric) + np.minimum(
            20 * error, 1e-3 * np.abs(numeric)
        )
        agree |= np.isnan(jacobian[:, column]) & np.isnan(numeric)
        left, right = one_sided(line, step=step * 1e-2)
        noise = 1e-6 + 16 * coarseness * 2.0**-52 * np.abs(line(0.0)) / (step * 1e-2)
        for k, row in enumerate(rows):
            out, place = outputs[row]
            report.add(
                Entry(
                    titles[active[which]],
                    element,
                    (out, *place) if len(shapes) > 1 else place,
                    float(jacobian[k, column]),
                    float(numeric[k]),
                ),
                agrees=bool(agree[k]),
                sides=(float(left[k]), float(right[k])),
                noise=float(noise[k]),
                settled=bool(error[k] <= 1e-3 * (1 + abs(numeric[k]))),
            )
    if report.failures:
        raise GradcheckError(f"gradcheck: the gradient is wrong.\n{report}", report)
    return report


def _wide(x: Any) -> Any:
    """The numbers of an argument; floating ones in float64, where differences are worth something."""
    if isinstance(x, Value):
        x = numbers_of(x)
    if isinstance(x, float):
        return np.float64(x)
    if isinstance(x, np.ndarray | np.generic) and x.dtype.kind == "f":
        return np.asarray(x, dtype=np.float64)[()]
    return x


def _titles(args: Sequence[Any], names: Sequence[str] | None) -> list[str]:
    if names is None:
        names = ["x"] if len(args) == 1 else [f"x{i}" for i in range(len(args))]
    titles = []
    for name, arg in zip(names, args, strict=True):
        count = len(tree.leaves(arg))
        titles += [name] if count == 1 else [f"{name}(leaf {i})" for i in range(count)]
    return titles


def _flat(parts: Sequence[Any]) -> Array:
    return np.concatenate([np.ravel(numbers_of(part)).astype(np.float64) for part in parts])


def _places(shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, tuple[int, ...]]]:
    return [(which, place) for which, shape in enumerate(shapes) for place in np.ndindex(*shape)]


def _chosen(rng: np.random.Generator, count: int, report: GradientReport) -> list[int]:
    if count <= MOST_ELEMENTS:
        return list(range(count))
    report.sampled = True
    return sorted(int(i) for i in rng.choice(count, MOST_ELEMENTS, replace=False))


def _basis(shapes: Sequence[tuple[int, ...]], dtypes: Sequence[Any], row: int) -> tuple[Any, ...]:
    parts = []
    for shape, dtype in zip(shapes, dtypes, strict=True):
        e = np.zeros(shape, dtype)
        if 0 <= row < e.size:
            e.flat[row] = 1
        row -= e.size
        parts.append(e[()])
    return tuple(parts)


def _index(place: tuple[int, ...]) -> str:
    return "[" + ", ".join(map(str, place)) + "]" if place else ""
