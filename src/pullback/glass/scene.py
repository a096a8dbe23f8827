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

__all__ = ["Figures", "Scene"]


@dataclass(frozen=True)
class Figures:
    """What is known of one element in numbers."""

    spot: Spot
    gradient: float
    """The engine's gradient."""
    arrived: float
    """The same before hooks of the element's own changed it: what the edges add up to."""
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
        agrees = spot == self.root or equal(arrived, edges.total, edges.magnitude, self.eps)
        return Figures(spot, gradient, arrived, edges, agrees, verdict)

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


def equal(gradient: float, total: float, magnitude: float, eps: float) -> bool:
    """Whether engine and rows say the same, but for the rounding of the dtype that the engine computed in."""
    if not np.isfinite(gradient):
        return bool(np.isnan(total)) or gradient == total
    return bool(abs(gradient - total) <= 256 * eps * max(magnitude, abs(gradient)) + 1e-300)
