"""Putting a receipt together: one question about one graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.spec import shape_of
from ..transforms.backward import numbers_of
from ..transforms.node import Node
from . import language
from .edges import Spot, weight
from .history import History, owner
from .missing import why_missing
from .names import Names
from .receipt import ArrayAccount, Check, Group, Quantity, Reason, Receipt, Row
from .repetition import groups, kept, repetitions
from .route import Path, Route, follow, paths
from .scene import Figures, Scene
from .selection import selected
from .statement import pullback_formula, statement
from .steps import StepWriter, summary_of
from .undefined import why_undefined
from .zero import cancelled, why_zero

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
        with np.errstate(all="ignore"):  # what is infinite or undefined is told, not warned of
            return self._receipt(optimizer, view)

    def _receipt(self, optimizer: Any, view: Any) -> Receipt:
        if self.history is None or self.link is None or owner(self.link).serial not in self.history:
            names = Names(self.history, self.given, self.frame)
            name = names.of_tensor(self.wrt) or language.text("receipt.this_tensor", self.lang)
            reason = why_missing(self.history, self.loss, self.wrt, name, self.lang)
            if reason is not None:
                loss_name = names.of_loss(self.loss)
                return empty_receipt(
                    bare(self.loss, loss_name), bare(self.wrt, name), reason, self.lang, self._grad(())
                )
        assert self.history is not None
        return self._full(self.history, optimizer, view)

    def _full(self, history: History, optimizer: Any, view: Any) -> Receipt:
        scene = Scene(history, self.loss, self.link, self.lang)
        back = scene.nodes[::-1]
        repeated = repetitions(_signatures(back))
        positions = kept(len(back), repeated, MOST_STEPS)
        shown = [back[i] for i in positions]
        names = Names(history, self.given, self.frame)
        figures = scene.figures(self._element(scene.array, scene.gradient), check=self.wants_check)
        spot = figures.spot
        writer = StepWriter(scene.around, names, names.of_loss(self.loss), self.lang)
        inside = {node.serial for node in scene.nodes}
        route = follow(scene.around, spot, figures.edges, shown[::-1], inside, scene.root)
        readable = len(back) <= MOST_STEPS and not scene.cotangents.replaced
        whole = paths(scene.around, route, scene.root) if readable else None
        rows, omitted, omitted_total, exact, magnitude = self._rows(writer, route, whole)
        return Receipt(
            lang=self.lang,
            loss=writer.quantity(scene.root.place, (), numbers_of(self.loss)),
            wrt=writer.quantity(spot.place, spot.index, scene.array),
            gradient=figures.gradient,
            total=figures.total,
            rounding=0.0 if scene.is_root or not np.isfinite(figures.total) else figures.total - exact,
            agrees=figures.agrees and scene.adds_up(figures.arrived, figures.total, exact, magnitude),
            grad=self._grad(spot.index),
            rows=rows,
            rows_are="edges" if whole is None else "paths",
            rows_omitted=omitted,
            rows_omitted_total=omitted_total,
            steps=tuple(writer.step(route.followed[node.serial]) for node in shown),
            steps_omitted=len(back) - len(shown),
            groups=self._groups(positions, repeated, names, back),
            array=self._array_account(scene, writer, spot) if np.ndim(scene.array) else None,
            check=figures.check,
            reason=self._reason(scene, figures, writer),
            update=self._update(optimizer, spot.index, scene.gradient),
            layers=view,
            notes=self._notes(figures),
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

    def _rows(
        self, writer: StepWriter, route: Route, whole: list[Path] | None
    ) -> tuple[tuple[Row, ...], int, float, float, float]:
        """Return the rows, how many are left out and what these come to, the sum, and the sum of the sizes."""
        edges = route.edges
        if whole is not None:
            size = sum(abs(path.product) for path in whole)
            rows = [writer.path(path, size) for path in whole]
            exact = float(sum(row.product for row in rows))
            return tuple(sorted(rows, key=lambda row: -weight(row.product))), 0, 0.0, exact, max(size, edges.magnitude)
        rows = [writer.row(edge, edges.magnitude, _way(route, edge)) for edge in edges.shown[:MOST_ROWS]]
        return tuple(rows), edges.omitted, edges.omitted_total, edges.total, edges.magnitude

    def _groups(self, positions: list[int], repeated: Any, names: Names, back: list[Node]) -> tuple[Group, ...]:
        shown = [back[i] for i in positions]
        return tuple(groups(positions, repeated, [n.mapping.name for n in shown], [names.module(n) for n in shown]))

    def _array_account(self, scene: Scene, writer: StepWriter, spot: Spot) -> ArrayAccount | None:
        around, array, g = scene.around, scene.array, scene.gradient
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

    def _reason(self, scene: Scene, figures: Figures, writer: StepWriter) -> Reason | None:
        spot, gradient, edges = figures.spot, figures.gradient, figures.edges
        if spot == scene.root:
            return None
        if not np.isfinite(gradient):
            return why_undefined(scene.around, spot, writer.names, self.lang)
        symbol = writer.quantity(spot.place, spot.index).symbol
        if gradient == 0:
            return why_zero(scene.around, spot, scene.root, symbol, self.lang)
        if len(edges.shown) > 1 and abs(gradient) <= 4 * scene.eps * edges.magnitude:
            return cancelled(symbol, self.lang)
        return None

    def _update(self, optimizer: Any, index: Element, g: Any) -> Any:
        if optimizer is None:
            return None
        from .update import update_account

        return update_account(optimizer, self.link, index, g, self.lang)

    def _notes(self, figures: Figures) -> tuple[str, ...]:
        if figures.arrived == figures.gradient or np.isnan(figures.gradient):
            return ()
        before, after = f"{figures.arrived:.6g}", f"{figures.gradient:.6g}"
        return (language.text("receipt.note.hook", self.lang, before=before, after=after),)

    def _grad(self, index: Element) -> float | None:
        """What `.grad` holds: that of the tensor asked for, or of the one that it is a part of."""
        link = self.link if self.link is not None else None
        cell = getattr(owner(link), "grad", None) if link is not None else None
        g = None if cell is None else cell.read()
        if g is None:
            return None
        numbers = numbers_of(g)
        return float(numbers[index]) if numbers.ndim == len(index) else None


def _signatures(back: list[Node]) -> list[tuple[Any, ...]]:
    """Return for each node what makes it the same as another: mapping, shape, and how far away its inputs are."""
    at = {node.serial: i for i, node in enumerate(back)}
    return [
        (
            node.mapping.name,
            None if node.output.__class__ is tuple else shape_of(node.output),
            *(
                at[owner(link).serial] - i if link is not None and owner(link).serial in at else None
                for link in node.links
            ),
        )
        for i, node in enumerate(back)
    ]


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
        rounding=None,
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
