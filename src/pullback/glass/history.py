"""What a tensor was computed from: the recorded nodes in their order, the leaves, and who reads what."""

from __future__ import annotations

import linecache
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..core.cell import Cell
from ..core.errors import FreedGraphError, GradientError
from ..core.interpret import EVALUATE, interpreting
from ..core.spec import Spec
from ..transforms.node import Leaf, Node, Part
from .receipt import Origin
from .typed import is_typed

__all__ = ["History", "Place", "numbers_at", "origin_of", "owner", "part_of", "spoken_place"]

Place = tuple[int, int]
"""A value of the graph: the serial of its leaf or node, and which of the node's outputs (0 where there is one)."""


def owner(link: Any) -> Any:
    """Return the leaf or the node behind a link."""
    return link.node if link.__class__ is Part else link


def part_of(link: Any) -> int:
    """Return which output of its node a link is; 0 where there is one."""
    return link.index if link.__class__ is Part else 0


def origin_of(node: Node) -> Origin:
    """Return the line of the user's program that recorded the node."""
    file, line = node.origin
    return Origin(file, line, linecache.getline(file, line).strip())


def spoken_place(node: Node) -> str:
    """Return where a node was recorded, for a sentence: file and line, or the part of a typed expression."""
    origin = origin_of(node)
    return origin.text if is_typed(origin.file) else node.place


class History:
    """The graph below a tensor, with its values: kept ones as they are, the others computed again when asked for.

    Raises FreedGraphError when a part of the graph was released.
    """

    def __init__(self, root: Any) -> None:
        nodes: dict[int, Node] = {}
        leaves: dict[int, Leaf] = {}
        waiting = [owner(root)]
        while waiting:
            item = waiting.pop()
            serial = item.serial
            if serial in nodes or serial in leaves:
                continue
            if item.__class__ is Leaf:
                leaves[serial] = item
                continue
            _restore(item)
            nodes[serial] = item
            waiting.extend(owner(link) for link in item.links if link is not None)
        self._computed: dict[int, Any] = {}
        self._kept: dict[int, Any] = {}
        self._set(root, dict(sorted(nodes.items())), leaves)

    def _set(self, root: Any, nodes: dict[int, Node], leaves: dict[int, Leaf]) -> None:
        self.root, self.nodes, self.leaves = root, nodes, leaves
        self.readers: dict[int, list[tuple[Node, int]]] = {}
        for node in nodes.values():
            for position, link in enumerate(node.links):
                if link is not None:
                    self.readers.setdefault(link.serial, []).append((node, position))

    def kept(self) -> History:
        """Return the same graph in nodes of its own: it stays what it is when the program releases its graph, or gives
        its leaves other values.
        """
        copies: dict[int, Any] = dict(self.leaves)

        def same(link: Any) -> Any:
            if link.__class__ is not Part:
                return None if link is None else copies[link.serial]
            part = Part(copies[link.serial], link.index)
            part.grad = link.grad
            return part

        for node in self.nodes.values():  # in their order: what a node is made of comes before it
            copied = copies[node.serial] = Node.__new__(Node)
            for name in Node.__slots__:
                setattr(copied, name, getattr(node, name))
            copied.links = tuple(map(same, node.links))
        other = History.__new__(History)
        other._computed = dict(self._computed)
        other._kept = {s: self._leaf_value(x) for s, x in self.leaves.items() if x.storage is not None}
        other._set(same(self.root), {serial: copies[serial] for serial in self.nodes}, self.leaves)
        return other

    def __contains__(self, serial: int) -> bool:
        return serial in self.nodes or serial in self.leaves

    def on_paths(self, serials: Iterable[int]) -> list[Node]:
        """Return the nodes on a path from these leaves or nodes to the root, in their order, with these nodes."""
        reached = set(serials)  # asked for membership only
        found = []
        for node in self.nodes.values():
            if node.serial in reached or any(link is not None and owner(link).serial in reached for link in node.links):
                reached.add(node.serial)
                found.append(node)
        return found

    def between(self, serial: int) -> list[Node]:
        """Return the nodes that lie on a path from a leaf or node to the root, in their order, without itself."""
        return [node for node in self.on_paths((serial,)) if node.serial != serial]

    # -------------------------------------------------------------------------------------------- values

    def complete(self, nodes: Iterable[Node]) -> None:
        """Make the inputs and outputs of these nodes known, running forward again what was not kept."""
        wanted = sorted({node.serial for node in nodes}, reverse=True)
        needed: dict[int, None] = {}
        waiting = [serial for serial in wanted if not self._knows_output(self.nodes[serial])]
        for serial in wanted:
            waiting.extend(self._unknown_inputs(self.nodes[serial]))
        while waiting:
            serial = waiting.pop()
            if serial in needed:
                continue
            needed[serial] = None
            waiting.extend(self._unknown_inputs(self.nodes[serial]))
        with interpreting(EVALUATE):
            for serial in sorted(needed):
                node = self.nodes[serial]
                self._computed[serial] = node.mapping.evaluate(*self.inputs(node), **node.static)

    def inputs(self, node: Node) -> tuple[Any, ...]:
        """Return the arrays that went into a node."""
        assert node.inputs is not None
        return tuple(
            self.value(link) if x.__class__ is Spec and link is not None else x
            for x, link in zip(node.inputs, node.links, strict=True)
        )

    def output(self, node: Node) -> Any:
        """Return the array (or arrays) that came out of a node."""
        return self._computed.get(node.serial, node.output)

    def value(self, link: Any) -> Any:
        """Return the array of a leaf, a node or a part of one."""
        if link.__class__ is Leaf:
            return self._leaf_value(link)
        return _part(self.output(owner(link)), link)

    def _leaf_value(self, leaf: Leaf) -> Any:
        if leaf.serial in self._kept:
            return self._kept[leaf.serial]
        for node, position in self.readers.get(leaf.serial, ()):
            x = node.inputs[position]  # type: ignore[index]  # not released  # restored when the history was made
            if x.__class__ is not Spec:
                return x  # what the graph was recorded with, should the leaf have another value by now
        if leaf.storage is None:
            raise GradientError("explain: this leaf belongs to a transform that has ended, so its values are not known")
        return leaf.storage.read()

    def stale_leaves(self) -> list[Leaf]:
        """Return the leaves whose present values are all that is known of them: they may have changed since."""
        return [
            leaf
            for leaf in self.leaves.values()
            if all(node.inputs[i].__class__ is Spec for node, i in self.readers.get(leaf.serial, ()))  # type: ignore[index]
        ]

    def run_again(self, leaves: Iterable[Leaf]) -> Any:
        """Return the root's value with these leaves at their present values."""
        known: dict[int, Any] = {leaf.serial: self._leaf_value(leaf) for leaf in leaves if leaf.storage is not None}
        with interpreting(EVALUATE):
            for node in self.nodes.values():
                if any(link is not None and owner(link).serial in known for link in node.links):
                    self.complete([node])
                    xs = [
                        x if link is None or owner(link).serial not in known else _part(known[owner(link).serial], link)
                        for x, link in zip(self.inputs(node), node.links, strict=True)
                    ]
                    known[node.serial] = node.mapping.evaluate(*xs, **node.static)
        return _part(known[owner(self.root).serial], self.root)

    def _knows_output(self, node: Node) -> bool:
        return node.serial in self._computed or _numeric(node.output)

    def _unknown_inputs(self, node: Node) -> list[int]:
        unknown = []
        for x, link in zip(node.inputs, node.links, strict=True):  # type: ignore[arg-type]  # not released
            if x.__class__ is Spec and link is not None:
                source = owner(link)
                if source.__class__ is Node and not self._knows_output(source):
                    unknown.append(source.serial)
        return unknown


def _part(y: Any, link: Any) -> Any:
    return y[link.index] if link.__class__ is Part else y


def _numeric(output: Any) -> bool:
    if output.__class__ is tuple:
        return all(_numeric(part) for part in output)
    return isinstance(output, np.ndarray | np.generic | int | float)


def _restore(node: Node) -> None:
    """Bring back what a checkpoint dropped; raise the error of a graph that was released."""
    if node.inputs.__class__ is tuple:
        return
    if node.inputs is None:
        raise FreedGraphError(
            f"explain: the graph was walked before and its saved values are released (first met at "
            f"{node.mapping.name}, recorded at {node.place}).\n"
            f"  wrong:  loss.backward(); pb.explain(loss, w)\n"
            f"  right:  loss.backward(retain_graph=True); pb.explain(loss, w), or pb.explain before loss.backward()"
        )
    node.inputs.restore(node)  # type: ignore[attr-defined]  # a checkpoint's promise


def numbers_at(cell: Any) -> Any:
    """Return the array in a payload that may be a cell."""
    return cell.read() if isinstance(cell, Cell) else cell
