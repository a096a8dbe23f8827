"""One step of a receipt: a mapping's formula, its local derivatives, and what it carries back."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.families import reduced_shape
from ..core.spec import Spec, dtype_of, shape_of, spec_of
from ..transforms.node import Leaf, Node
from . import language
from .edges import Edge, Edges, Spot, Surroundings, at
from .formula import Formula, as_formula, formula_of, to_unicode
from .formula.tree import Fence, Index, Name
from .history import Place, origin_of, owner
from .names import Names, element_symbol
from .receipt import Local, Quantity, Row, Step, Summary
from .route import Followed, Path
from .slopes import broadcast_element, parts
from .statement import index_of_factor, pullback_formula, statement, structure
from .symbols import Word, number, written

__all__ = ["StepWriter", "summary_of"]

Element = tuple[int, ...]
MOST_ROWS = 12


def summary_of(array: Any) -> Summary | None:
    """Return an array in a few numbers; None for a single number, an empty array, and what are no numbers."""
    a = np.asarray(array)
    if not a.ndim or not a.size or a.dtype.kind not in "biuf":
        return None
    wide = a.astype(np.float64) if a.dtype != np.float64 else a
    with np.errstate(all="ignore"):
        norm = float(np.sqrt(np.sum(np.square(wide))))
        return Summary(
            float(wide.min()), float(wide.max()), float(wide.mean()), norm, int(a.size - np.count_nonzero(a)), a.size
        )


class StepWriter:
    """Writes steps, rows and quantities of one graph in one language."""

    def __init__(self, around: Surroundings, names: Names, loss: str, lang: str) -> None:
        self.around = around
        self.names = names
        self.loss = loss
        self.lang = lang
        self._summaries: dict[int, tuple[Any, Summary | None]] = {}

    # ------------------------------------------------------------------------------------ quantities

    def quantity(self, place: Place, index: Element, value: Any = None) -> Quantity:
        """Return the value at a place, with one element."""
        array = self.around.value(place) if value is None else value
        name = self.names.of(place)
        kind = "leaf" if place[0] in self.around.history.leaves else "computed"
        return self._quantity(name, kind, place[0], array, index)

    def _quantity(self, name: str, kind: str, serial: int | None, array: Any, index: Element | None) -> Quantity:
        spec = spec_of(array)
        known = index is not None and len(index) == spec.ndim
        return Quantity(
            name,
            element_symbol(name, spec.shape, index) if known and index is not None else name,
            kind,
            serial,
            spec.shape,
            spec.dtype.name,
            index if known and index is not None else (),
            _scalar(array[index] if isinstance(array, np.ndarray) else array) if known else None,
            self._summary(array),
        )

    def _summary(self, array: Any) -> Summary | None:
        if np.ndim(array) == 0:
            return None
        if id(array) not in self._summaries:
            self._summaries[id(array)] = array, summary_of(array)
        return self._summaries[id(array)][1]

    # ------------------------------------------------------------------------------------------ rows

    def row(self, edge: Edge, magnitude: float, way: tuple[int, ...] = ()) -> Row:
        """Return the account of one edge, where `way` are the serials from the loss to it."""
        return self._row((edge,), way or (edge.node.serial,), (edge.incoming, edge.local), edge.product, magnitude)

    def path(self, path: Path, magnitude: float) -> Row:
        """Return the account of one whole path."""
        factors = tuple(edge.local for edge in path.edges)
        return self._row(path.edges, tuple(e.node.serial for e in path.edges), factors, path.product, magnitude)

    def _row(
        self,
        edges: tuple[Edge, ...],
        way: tuple[int, ...],
        factors: tuple[float, ...],
        product: float,
        magnitude: float,
    ) -> Row:
        edge = edges[-1]
        names = edge.node.mapping.arguments
        return Row(
            via=edge.node.serial,
            mapping=edge.node.mapping.name,
            argument=names[min(edge.position, len(names) - 1)],
            output=self.quantity(edge.target.place, edge.target.index),
            path=way,
            through=tuple(self.symbol(e.target) for e in edges),
            factors=factors,
            local=edge.local,
            incoming=float(np.prod(factors[:-1])),
            product=product,
            share=abs(product) / magnitude if magnitude > 0 and np.isfinite(magnitude) else None,
        )

    def symbol(self, spot: Spot) -> str:
        """Return the name of an element."""
        return element_symbol(self.names.of(spot.place), shape_of(self.around.value(spot.place)), spot.index)

    def rows(self, edges: Edges | None) -> tuple[Row, ...]:
        """Return the rows of an element's edges, the largest first."""
        if edges is None:
            return ()
        return tuple(self.row(edge, edges.magnitude) for edge in edges.shown[:MOST_ROWS])

    # ----------------------------------------------------------------------------------------- steps

    def step(self, followed: Followed) -> Step:
        """Return the account of one node."""
        node, spot = followed.node, followed.spot
        mapping = node.mapping
        inputs, y = self.around.history.inputs(node), self.around.history.output(node)
        out = parts(y)[spot.place[1]]
        elements = self._elements(followed, inputs, shape_of(out))
        shown = [self._input(x, link, index) for x, link, index in zip(inputs, node.links, elements, strict=True)]
        output = self.quantity(spot.place, spot.index, out)
        pointwise = all(index is not None for index in elements) and mapping.family in ("elementwise", "user")
        scalar = all(np.ndim(x) == 0 for x in (*inputs, out))
        forward = [
            as_formula(q.symbol if pointwise or scalar else q.name) if q.name else number(x)
            for q, x in zip(shown, inputs, strict=True)
        ]
        arguments = [as_formula(text) for text in self._plain_names(shown, inputs)]
        incoming = self.around.cotangents.before_hooks(spot.place)
        replaced = self.around.cotangents.of(spot.place)
        formula_g = f"∂{self.loss}/∂{output.name}"
        first = next(iter(followed.sources), None)
        wide = not scalar and first is not None
        position = first if first is not None else 0
        plain = self._plain_names(shown, inputs)
        edges = followed.edges
        return Step(
            serial=node.serial,
            mapping=mapping.name,
            family=mapping.family,
            formula=formula_of(mapping, *forward, **node.static),
            substituted=formula_of(mapping, *map(number, self._values(shown, inputs)), **node.static)
            if pointwise or scalar
            else None,
            words=language.words(mapping, self.lang, **self._spoken(node, arguments)),
            module=self.names.module(node),
            origin=origin_of(node),
            inputs=tuple(shown),
            output=output,
            incoming=at(incoming, spot.index),
            locals=tuple(self._locals(followed, shown, inputs, elements, out, y)),
            rows=self.rows(edges),
            rows_omitted=0 if edges is None else edges.omitted + max(0, len(edges.shown) - MOST_ROWS),
            pullback=pullback_formula(mapping, node.static, inputs, y, position, plain, output.name, formula_g)
            if wide
            else None,
            statement=statement(mapping, node.static, inputs, y, position, plain, output.name, formula_g, self.loss)
            if wide
            else None,
            kink=self._kink(node, arguments),
            hook=at(replaced, spot.index) if replaced is not incoming else None,
        )

    def _input(self, x: Any, link: Any, index: Element | None) -> Quantity:
        if link is not None:
            kind = "leaf" if owner(link).__class__ is Leaf else "computed"
            return self._quantity(self.names.of_link(link), kind, owner(link).serial, x, index)
        return self._quantity(self.names.of_constant(x) or "", "constant", None, x, index if np.ndim(x) else ())

    def _elements(self, followed: Followed, inputs: tuple[Any, ...], out: Element) -> list[Element | None]:
        """Return for each input the element that the looked-at output was made from, where that is one."""
        node, spot = followed.node, followed.spot
        elements: list[Element | None] = []
        pointwise = node.mapping.family == "elementwise" or all(shape_of(x) in ((), out) for x in inputs)
        for position, x in enumerate(inputs):
            if position in followed.sources:
                elements.append(followed.sources[position])
            elif np.ndim(x) == 0:
                elements.append(())
            elif pointwise:
                elements.append(broadcast_element(shape_of(x), out, spot.index))
            else:
                elements.append(None)
        for position, source in followed.sources.items():
            found = structure(node.mapping, node.static, inputs, position)
            if found is not None and found.factor is not None and elements[found.factor] is None:
                elements[found.factor] = index_of_factor(found, source, spot.index)
        return elements

    def plain_names(self, node: Node) -> list[str]:
        """Return what the inputs of a node are called: by name, and numbers as they are."""
        names = []
        for x, link in zip(self.around.history.inputs(node), node.links, strict=True):
            names.append(self.names.of_link(link) if link is not None else self.names.of_constant(x) or _text(x))
        return names

    def _plain_names(self, shown: list[Quantity], inputs: tuple[Any, ...]) -> list[str]:
        return [q.name or _text(x) for q, x in zip(shown, inputs, strict=True)]

    def _values(self, shown: list[Quantity], inputs: tuple[Any, ...]) -> list[Any]:
        return [x if np.ndim(x) == 0 else q.value for q, x in zip(shown, inputs, strict=True)]

    def _spoken(self, node: Node, arguments: list[Formula]) -> dict[str, str]:
        names = node.mapping.arguments
        shown = [to_unicode(f) for f in arguments]
        if len(shown) > len(names):
            shown = [*shown[: len(names) - 1], ", ".join(shown[len(names) - 1 :])]
        static = {key: str(value) for key, value in node.static.items()}
        return static | dict.fromkeys(names, "") | dict(zip(names, shown, strict=False))

    def _kink(self, node: Node, arguments: list[Formula]) -> str | None:
        return language.kink(node.mapping, self.lang, **self._spoken(node, arguments))

    # --------------------------------------------------------------------------------- local derivatives

    def _locals(
        self,
        followed: Followed,
        shown: list[Quantity],
        inputs: tuple[Any, ...],
        elements: list[Element | None],
        out: Any,
        y: Any,
    ) -> list[Local]:
        node, spot = followed.node, followed.spot
        names = node.mapping.arguments
        g = self.around.gradient(spot)
        found = []
        for position, link in enumerate(node.links):
            index = elements[position]
            if link is None or index is None:
                continue
            if position not in followed.locals:
                column = self.around.column(node, position, index)[spot.place[1]]
                followed.locals[position] = at(column, spot.index)
            slope = followed.locals[position]
            both = self._derivative(followed, shown, inputs, elements, position, out, y)
            found.append(
                Local(
                    names[min(position, len(names) - 1)],
                    position,
                    shown[position],
                    both[0] if both else None,
                    both[1] if both else None,
                    slope,
                    g * slope if slope else 0.0,
                    position in followed.sources,
                )
            )
        self.around.forget(node)
        return found

    def _derivative(
        self,
        followed: Followed,
        shown: list[Quantity],
        inputs: tuple[Any, ...],
        elements: list[Element | None],
        position: int,
        out: Any,
        y: Any,
    ) -> tuple[Formula, Formula] | None:
        """Return ∂output/∂input in symbols and in numbers, from the rule that the mapping was declared with."""
        node, spot = followed.node, followed.spot
        mapping, static = node.mapping, node.static
        symbol = element_symbol(self.names.of(spot.place), shape_of(out), spot.index)
        value = np.asarray(out)[spot.index]
        if mapping.derivative is not None and mapping.family in ("elementwise", "user"):
            words: list[Any] = [self._word(q, x) for q, x in zip(shown, inputs, strict=True)]
            words.append(Word(Name(symbol), number(value), Spec((), dtype_of(out)), value))
            return written(mapping.derivative[position], words, **static)
        if mapping.derivative is not None and mapping.family == "reduction" and "axis" in static:
            q = shown[position]
            kept = Spec(reduced_shape(shape_of(inputs[0]), static["axis"], True), dtype_of(out))
            rest = {key: v for key, v in static.items() if key != "keepdims"}
            first = Word(Name(q.symbol), number(np.float64(q.value or 0)), spec_of(inputs[0]))
            return written(mapping.derivative[0], [first, Word(Name(symbol), number(value), kept)], **rest)
        slope = followed.locals[position]
        index = elements[position]
        found = structure(mapping, static, inputs, position)
        if found is not None and index is not None:
            if found.factor is None:
                return number(np.float64(slope)), number(np.float64(slope))
            through = index_of_factor(found, index, spot.index)
            q = shown[found.factor]
            name = element_symbol(q.name or _text(inputs[found.factor]), q.shape, through)
            return Name(name), number(np.float64(slope))
        if mapping.transpose is not None:  # linear, at places that no letters name
            return number(np.float64(slope)), number(np.float64(slope))
        if np.ndim(out) == 0 and mapping.pullback is not None and y.__class__ is not tuple:
            return self._row_of_pullback(node, shown, inputs, position, symbol, value, out, slope)
        return None

    def _row_of_pullback(
        self,
        node: Node,
        shown: list[Quantity],
        inputs: tuple[Any, ...],
        position: int,
        symbol: str,
        value: Any,
        out: Any,
        slope: float,
    ) -> tuple[Formula, Formula] | None:
        """Of a mapping whose value is one number, the pullback of 1 is the whole derivative."""
        pullback = node.mapping.pullback
        assert pullback is not None
        needs = [i == position for i in range(len(inputs))]
        words = [
            Word(Name(name), Name(name), spec_of(x)) if q.name else x
            for name, q, x in zip(self.plain_names(node), shown, inputs, strict=True)
        ]
        one = dtype_of(out).type(1)
        rule = written(
            lambda y, *xs: pullback(one, y, *xs, needs=needs, **node.static)[position],
            [Word(Name(symbol), number(value), spec_of(out)), *words],
        )
        if rule is None or not shown[position].shape:
            return rule
        index = Name(", ".join(map(str, shown[position].index)))
        return Index(Fence("(", rule[0], ")"), Fence("[", index, "]")), number(np.float64(slope))

    def _word(self, q: Quantity, x: Any) -> Any:
        if not q.name:
            return x
        value = np.asarray(x)[q.index] if len(q.index) == np.ndim(x) else None
        return Word(Name(q.symbol), number(value) if value is not None else Name(q.name), Spec((), dtype_of(x)), value)


def _text(x: Any) -> str:
    return to_unicode(number(x))


def _scalar(x: Any) -> float:
    return float(x.real if np.iscomplexobj(x) else x)
