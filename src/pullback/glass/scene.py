"""The part of a graph that one gradient is about, with its values and its gradients: computed once, asked often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.errors import GradientError
from ..core.spec import dtype_of, spec_of
from ..transforms.backward import numbers_of
from . import language
from .cotangents import Cotangents
from .differences import check as check_by_differences
from .edges import MOST_EDGES, Edges, Spot, Surroundings, at
from .history import History, owner, part_of
from .moved import Moved
from .receipt import Check
from .uses import sum_of_uses

__all__ = ["Figures", "Scene"]

RELATIVE = (1e-10, 1e-5)
"""How far the sum may be from the engine's gradient, relative to the gradient: in float64, and in smaller dtypes."""


@dataclass(frozen=True)
class Figures:
    """What is known of one element in numbers."""

    spot: Spot
    gradient: float
    """The engine's gradient."""
    arrived: float
    """The same before hooks of the element's own changed it: what the uses of the value send back."""
    total: float
    """The sum of what the uses send back, added as the engine adds."""
    edges: Edges
    agrees: bool
    check: Check


class Scene:
    """The nodes between a value and the loss.

    Raises GradientError when a leaf has another value by now than the loss was computed with.
    """

    def __init__(self, history: History, loss: Any, link: Any, lang: str) -> None:
        self.history, self.loss, self.lang = history, loss, lang
        self.place = (owner(link).serial, part_of(link))
        self.root = Spot((owner(history.root).serial, part_of(history.root)), ())
        self.nodes = history.between(self.place[0])
        own = history.nodes.get(self.place[0])
        history.complete(self.nodes if own is None else [own, *self.nodes])
        self._require_fresh()
        seed = spec_of(loss).dtype.type(1)
        self.cotangents = Cotangents(history, seed, [self.place[0], *(node.serial for node in self.nodes)])
        self.around = Surroundings(history, self.cotangents)
        self.array = self.around.value(self.place)
        self.eps = float(np.finfo(dtype_of(self.array)).eps)
        self.is_root = self.place == self.root.place
        self.sum = seed if self.is_root else sum_of_uses(history, self.cotangents, self.place)

    def figures(self, index: tuple[int, ...], *, check: bool = True) -> Figures:
        """Return the numbers of one element: the engine's gradient, the edges it is the sum of, and the check."""
        spot = Spot(self.place, index)
        edges = self.around.edges(spot, MOST_EDGES)
        for node in {edge.node.serial: edge.node for edge in edges.best}.values():
            self.around.forget(node)
        arrived, gradient = at(self.cotangents.before_hooks(self.place), index), at(self.gradient, index)
        verdict = Check("not checked", why=language.text("receipt.check.switched_off", self.lang))
        if check:
            moved = Moved(self.history, spot, self.array, self.nodes)
            verdict = check_by_differences(moved, gradient, edges.magnitude, self.eps, self.lang)
        total = at(self.sum, index)
        agrees = self.adds_up(arrived, total, edges.total, edges.magnitude)
        return Figures(spot, gradient, arrived, total, edges, agrees, verdict)

    def adds_up(self, arrived: float, total: float, exact: float, magnitude: float) -> bool:
        """Whether the sum is the engine's gradient, and, but for rounding, the sum of the rows in double precision.

        `exact` is the latter, `magnitude` the sum of the absolute products: rounding is a small multiple of the dtype's
        unit of it. The root has no rows; its gradient is what the way back starts from.
        """
        if not np.isfinite(arrived):
            return _same(arrived, total) and (self.is_root or _same(arrived, exact))
        equal = abs(arrived - total) <= RELATIVE[self.eps > 1e-10] * abs(arrived)
        rounding = 256 * self.eps * max(magnitude, abs(arrived)) + 1e-300
        return bool(equal and (self.is_root or abs(total - exact) <= rounding))

    @property
    def gradient(self) -> Any:
        """The engine's gradient of the whole value; None where nothing arrived."""
        return self.cotangents.of(self.place)

    def _require_fresh(self) -> None:
        stale = self.history.stale_leaves()
        if not stale:
            return
        again, recorded = self.history.run_again(stale), numbers_of(self.loss)
        if not np.allclose(again, recorded, rtol=1e3 * np.finfo(recorded.dtype).eps, equal_nan=True):
            raise GradientError(
                f"explain: a tensor has another value now than when the loss was computed (the graph run again gives "
                f"{float(again):.6g}, the loss is {float(recorded):.6g}).\n"
                f"  wrong:  optimizer.step(); pb.explain(loss, w)\n"
                f"  right:  pb.explain(loss, w); optimizer.step()"
            )



def _same(a: float, b: float) -> bool:
    return a == b or bool(np.isnan(a) and np.isnan(b))
