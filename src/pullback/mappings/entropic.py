"""A number times a logarithm, with 0 · log 0 = 0: what likelihoods and entropies are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.families import elementwise
from ..core.mapping import INPUTS, unsupported
from ..core.samples import Sample, Samples, fixed, real
from .arithmetic import add, divide
from .compare import equal, logical_and
from .exponential import log, log1p
from .select import _where

__all__ = ["xlog1py", "xlogy"]

inf, nan = float("inf"), float("nan")


def _times(logarithm: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    def evaluate(a: Any, x: Any) -> Any:
        with np.errstate(divide="ignore", invalid="ignore"):
            product = np.asarray(a * logarithm(x))
        return np.where((a == 0) & ~np.isnan(x), product.dtype.type(0), product)[()]

    return evaluate


def _ratio(a: Any, x: Any) -> Any:
    """a / x, with 0 / 0 = 0."""
    return divide(a, _where(logical_and(equal(a, 0), equal(x, 0)), 1, x))


def _with_zeros(*ranges: tuple[float, float]) -> Samples:
    plain = real(*ranges)

    def draw(rng: np.random.Generator) -> list[Sample]:
        x = rng.uniform(*ranges[1], 4)
        return [*plain(rng), Sample((np.array([0.0, 1.0, 0.0, -2.0]), x))]

    return fixed(draw)


xlogy = elementwise(
    "xlogy",
    _times(np.log),
    (lambda a, x, y: log(x), lambda a, x, y: _ratio(a, x)),
    arguments=("a", "x"),
    uses=INPUTS,
    doc=r"""Return a · log x, and 0 where a is 0 (also where x is 0).

    >>> import pullback as pb
    >>> pb.xlogy(pb.tensor([0.0, 2.0]), pb.tensor([0.0, 1.0])).tolist()
    [0.0, 0.0]
    """,
    formula=r"{a} \log {x}",
    words="{a} times the logarithm of {x}, and 0 where {a} is 0",
    lower="xlogy",
    onnx=unsupported("ONNX has no operator for it; it is Where(a == 0, 0, a · Log(x))"),
    samples=_with_zeros((-3, 3), (0.2, 5)),
    special={(0.0, 0.0): 0.0, (0.0, inf): 0.0, (0.0, nan): nan, (2.0, 0.0): -inf, (-2.0, 0.0): inf},
    special_slope={(0.0, 0.0): (-inf, 0.0), (0.0, 2.0): (0.6931471805599453, 0.0)},
)

xlog1py = elementwise(
    "xlog1py",
    _times(np.log1p),
    (lambda a, x, y: log1p(x), lambda a, x, y: _ratio(a, add(x, 1))),
    arguments=("a", "x"),
    uses=INPUTS,
    doc=r"""Return a · log(1 + x), accurate for small x, and 0 where a is 0 (also where x is −1).

    >>> import pullback as pb
    >>> pb.xlog1py(pb.tensor([0.0, 2.0]), pb.tensor([-1.0, 0.0])).tolist()
    [0.0, 0.0]
    """,
    formula=r"{a} \log (1 + {x})",
    words="{a} times the logarithm of 1 plus {x}, and 0 where {a} is 0",
    lower="xlog1py",
    onnx=unsupported("ONNX has no operator for it; Log(1 + x) loses its accuracy for small x"),
    samples=_with_zeros((-3, 3), (-0.8, 5)),
    special={(0.0, -1.0): 0.0, (0.0, inf): 0.0, (0.0, nan): nan, (2.0, -1.0): -inf, (1.0, 1e-300): 1e-300},
    special_slope={(0.0, -1.0): (-inf, 0.0), (0.0, 0.0): (0.0, 0.0)},
)
