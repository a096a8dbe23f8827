"""Putting a receipt together: one question about one graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.errors import GradientError, ShapeError
from ..core.spec import dtype_of, shape_of, spec_of
from ..transforms.backward import numbers_of
from ..transforms.node import Node
from . import language
from .cotangents import Cotangents
from .differences import check as check_by_differences
from .edges import Edges, Spot, Surroundings, at
from .history import History, owner, part_of
from .missing import why_missing
from .moved import Moved
from .names import Names
from .receipt import ArrayAccount, Check, Group, Quantity, Reason, Receipt, Row
from .repetition import groups, kept, repetitions
from .route import Path, Route, follow, paths
from .selection import selected
from .statement import pullback_formula, statement
from .steps import StepWriter, summary_of
from .zero import why_zero

__all__ = ["Explanation", "bare", "empty_receipt"]

Element = tuple[int, ...]
MOST_STEPS = 400
MOST_ROWS = 64


class Explanation:
    """One question about one graph, and the pieces that the answer is put together from."""

    def __init__(
        self, loss: Any, wrt: Any, index: Any, history: History | None, names: Any, frame: Any, lang: str, check: bool
    ) -> None:
        self.loss, self.wrt, self.history, self.lang = loss, wrt, history, lang
        self.given, self.frame, self.wants_check = names, frame, check
        self.index = (index,) if isinstance(index, int | np.integer) else None if index is None else tuple(index)
        self.link = wrt._link
        self.positions: Any = None
        if history is not None and self.link is not None and owner(self.link).serial not in history:
            found = selected(history, self.link)
            if found is not None:
                self.link, self.positions = found

    def receipt(self, optimizer: Any, view: Any) -> Receipt:
        """Return the receipt."""
        if self.history is None or self.link is None or owner(self.link).serial not in self.history:
            names = Names(self.history, self.given, self.frame)
            name = names.of_tensor(self.wrt) or language.text("receipt.this_tensor", self.lang)
            reason = why_missing(self.history, self.loss, self.wrt, name, self.lang)
            if reason is not None:
                loss_name = names.of_tensor(self.loss) or "L"
                return empty_receipt(
                    bare(self.loss, loss_name), bare(self.wrt, name), reason, self.lang, self._grad(())
                )
        assert self.history is not None
        return self._full(self.history, optimizer, view)

    def _full(self, history: History, optimizer: Any, view: Any) -> Receipt:
        place = (owner(self.link).serial, part_of(self.link))
        root = Spot((owner(history.root).serial, part_of(history.root)), ())
        nodes = history.between(place[0])
        back = nodes[::-1]
        signatures = [
            (node.mapping.name, str(shape_of(node.output)) if node.mapping.outputs is None else "") for node in back
        ]
        repeated = repetitions(signatures)
        positions = kept(len(back), repeated, MOST_STEPS)
        shown = [back[i] for i in positions][::-1]
        history.complete(nodes)
        self._require_fresh(history)
        names = Names(history, self.given, self.frame)
        seed = spec_of(self.loss).dtype.type(1)
        cotangents = Cotangents(history, seed, [place[0], *(node.serial for node in nodes)])
        around = Surroundings(history, cotangents)
        array = around.value(place)
        index = self._element(array, cotangents.of(place))
        spot = Spot(place, index)
        loss_name = self._loss_name(names)
        writer = StepWriter(around, names, loss_name, self.lang)
        inside = {node.serial for node in nodes}
        route = follow(around, spot, shown, inside, root)
        whole = paths(around, route, root) if len(nodes) <= MOST_STEPS else None
        rows, omitted, omitted_total, total = self._rows(writer, route, whole)
        steps = [writer.step(route.followed[node.serial]) for node in reversed(shown)]
        before, after = cotangents.before_hooks(place), cotangents.of(place)
        gradient = at(after, index)
        eps = float(np.finfo(dtype_of(array)).eps)
        agrees = _equal(at(before, index) if nodes else gradient, total, route.edges.magnitude, eps)
        if not nodes:
            total, agrees = gradient, True
        verdict = Check("not checked", why=language.text("receipt.check.switched_off", self.lang))
        if self.wants_check:
            moved = Moved(history, spot, array, nodes)
            verdict = check_by_differences(moved, gradient, route.edges.magnitude, eps, self.lang)
        return Receipt(
            lang=self.lang,
            loss=writer.quantity(root.place, (), numbers_of(self.loss)),
            wrt=writer.quantity(place, index, array),
            gradient=gradient,
            total=total,
            agrees=agrees,
            grad=self._grad(index),
            rows=rows,
            rows_are="edges" if whole is None else "paths",
            rows_omitted=omitted,
            rows_omitted_total=omitted_total,
            steps=tuple(steps),
            steps_omitted=len(back) - len(shown),
            groups=self._groups(positions, repeated, names, back),
            array=self._array_account(around, writer, spot, after, array) if np.ndim(array) else None,
            check=verdict,
            reason=self._reason(around, spot, root, gradient, route.edges, eps, writer),
            update=self._update(optimizer, index, after),
            layers=view,
            notes=self._notes(before, after, index),
        )

    # ----------------------------------------------------------------------------------------- the parts

    def _element(self, array: Any, g: Any) -> Element:
        shape = shape_of(array)
        if self.positions is not None:
            chosen = np.asarray(self.positions)
            if self.index is not None:
                chosen = chosen[_checked(self.index, chosen.shape)]
            flat = np.atleast_1d(chosen).reshape(-1)
            if g is not None:
                flat = flat[np.argsort(-np.abs(np.asarray(g).reshape(-1)[flat]), kind="stable")]
            return tuple(int(i) for i in np.unravel_index(flat[0], shape))
        if self.index is not None:
            return _checked(self.index, shape)
        if 0 in shape:
            raise ShapeError(f"explain: an array of shape {shape} has no element to explain")
        if g is None or not np.ndim(g):
            return (0,) * len(shape)
        sizes = np.nan_to_num(np.abs(np.asarray(g, dtype=np.float64)), nan=np.inf)
        return tuple(int(i) for i in np.unravel_index(int(np.argmax(sizes)), shape))

    def _loss_name(self, names: Names) -> str:
        return names.of_tensor(self.loss) or "L"

    def _rows(
        self, writer: StepWriter, route: Route, whole: list[Path] | None
    ) -> tuple[tuple[Row, ...], int, float, float]:
        edges = route.edges
        if whole is not None:
            size = sum(abs(path.product) for path in whole)
            rows = [
                writer.row(
                    path.edges[-1],
                    tuple(edge.node.serial for edge in path.edges),
                    tuple(edge.local for edge in path.edges),
                    size,
                )
                for path in whole
            ]
            return tuple(sorted(rows, key=lambda r: -abs(r.product))), 0, 0.0, float(sum(r.product for r in rows))
        rows = [writer.row(edge, _way(route, edge), (), edges.magnitude) for edge in edges.shown[:MOST_ROWS]]
        return tuple(rows), edges.omitted, edges.omitted_total, edges.total

    def _groups(self, positions: list[int], repeated: Any, names: Names, back: list[Node]) -> tuple[Group, ...]:
        shown = [back[i] for i in positions]
        return tuple(groups(positions, repeated, [n.mapping.name for n in shown], [names.module(n) for n in shown]))

    def _array_account(
        self, around: Surroundings, writer: StepWriter, spot: Spot, g: Any, array: Any
    ) -> ArrayAccount | None:
        values = summary_of(array)
        gradient = summary_of(np.zeros(shape_of(array)) if g is None else g)
        if values is None or gradient is None:
            return None
        lines, formulas = [], []
        for node, position in around.readers(spot):
            inputs, y = around.history.inputs(node), around.history.output(node)
            shown = writer.plain_names(node)
            name = writer.names.of((node.serial, 0))
            incoming = f"∂{writer.loss}/∂{name}"
            line = statement(node.mapping, node.static, inputs, y, position, shown, name, incoming, writer.loss)
            formula = pullback_formula(node.mapping, node.static, inputs, y, position, shown, name, incoming)
            if line is not None:
                lines.append(line)
            if formula is not None:
                formulas.append(formula)
        largest = (0,) * np.ndim(array)
        if g is not None:
            k = int(np.argmax(np.nan_to_num(np.abs(np.asarray(g, dtype=np.float64)), nan=np.inf)))
            largest = tuple(int(i) for i in np.unravel_index(k, shape_of(array)))
        return ArrayAccount(values, gradient, tuple(lines), tuple(formulas), largest)

    def _reason(
        self,
        around: Surroundings,
        spot: Spot,
        root: Spot,
        gradient: float,
        edges: Edges,
        eps: float,
        writer: StepWriter,
    ) -> Reason | None:
        if spot == root or np.isnan(gradient):
            return None
        symbol = writer.quantity(spot.place, spot.index).symbol
        if gradient == 0:
            return why_zero(around, spot, root, symbol, self.lang)
        if len(edges.shown) > 1 and abs(gradient) <= 4 * eps * edges.magnitude:
            words = language.text("receipt.reason.zero.cancelled", self.lang, name=symbol, mapping="", place="")
            return Reason("cancelled", words, missing=False)
        return None

    def _update(self, optimizer: Any, index: Element, g: Any) -> Any:
        if optimizer is None:
            return None
        from .update import update_account

        return update_account(optimizer, self.link, index, g, self.lang)

    def _notes(self, before: Any, after: Any, index: Element) -> tuple[str, ...]:
        if before is after:
            return ()
        return (
            language.text(
                "receipt.note.hook", self.lang, before=f"{at(before, index):.6g}", after=f"{at(after, index):.6g}"
            ),
        )

    def _grad(self, index: Element) -> float | None:
        """What `.grad` holds: that of the tensor asked for, or of the one that it is a part of."""
        link = self.link if self.link is not None else None
        cell = getattr(owner(link), "grad", None) if link is not None else None
        g = None if cell is None else cell.read()
        if g is None:
            return None
        numbers = numbers_of(g)
        return float(numbers[index]) if numbers.ndim == len(index) else None

    def _require_fresh(self, history: History) -> None:
        """Refuse to explain a graph whose leaves have other values by now than it was recorded with."""
        stale = history.stale_leaves()
        if not stale:
            return
        again = history.run_again(stale)
        recorded = numbers_of(self.loss)
        if not np.allclose(again, recorded, rtol=1e3 * np.finfo(recorded.dtype).eps, equal_nan=True):
            raise GradientError(
                f"explain: a tensor has another value now than when the loss was computed (the graph run again gives "
                f"{float(again):.6g}, the loss is {float(recorded):.6g}).\n"
                f"  wrong:  optimizer.step(); pb.explain(loss, w)\n"
                f"  right:  pb.explain(loss, w); optimizer.step()"
            )


def _checked(index: Element, shape: Element) -> Element:
    if len(index) != len(shape) or any(not -n <= i < n for i, n in zip(index, shape, strict=False)):
        raise IndexError(f"explain: index {index} does not name one element of an array of shape {shape}")
    return tuple(int(i) % n for i, n in zip(index, shape, strict=True))


def _way(route: Route, edge: Any) -> tuple[int, ...]:
    """Return the serials from the loss to the node of an edge, along what is looked at."""
    way = [edge.node.serial]
    followed = route.followed.get(edge.node.serial)
    while followed is not None and followed.edges is not None and followed.edges.shown:
        onwards = followed.edges.shown[0].node.serial
        if onwards in way:
            break
        way.append(onwards)
        followed = route.followed.get(onwards)
    return tuple(reversed(way))


def _equal(gradient: float, total: float, magnitude: float, eps: float) -> bool:
    """Whether engine and rows say the same, but for the rounding of the dtype that the engine computed in."""
    if np.isnan(gradient) or np.isinf(gradient):
        return bool(np.isnan(total)) or gradient == total
    return bool(abs(gradient - total) <= 256 * eps * max(magnitude, abs(gradient)) + 1e-300)


def bare(x: Any, name: str) -> Quantity:
    """Return a tensor as a quantity without its graph."""
    array = numbers_of(x)
    serial = owner(x._link).serial if x._link is not None else None
    value = float(array) if array.ndim == 0 else None
    return Quantity(
        name,
        name,
        "constant" if serial is None else "leaf",
        serial,
        array.shape,
        array.dtype.name,
        (),
        value,
        summary_of(array),
    )


def empty_receipt(loss: Quantity, wrt: Quantity, reason: Reason, lang: str, grad: float | None) -> Receipt:
    """Return the receipt of a gradient that is missing."""
    return Receipt(
        lang=lang,
        loss=loss,
        wrt=wrt,
        gradient=None,
        total=None,
        agrees=None,
        grad=grad,
        rows=(),
        rows_are="edges",
        rows_omitted=0,
        rows_omitted_total=0.0,
        steps=(),
        steps_omitted=0,
        groups=(),
        array=None,
        check=Check("not checked"),
        reason=reason,
        update=None,
        layers=None,
        notes=(),
    )
