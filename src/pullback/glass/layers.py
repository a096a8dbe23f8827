"""The layer view: a network's account in the textbook's terms, z, a and δ of each layer.

A layer is recognised by what it does, not by its name: a mapping that is linear in a leaf with two axes (the
weight W) and in something else (the input x); then, where there is one, the addition of a leaf with one axis
(the bias); then the mappings that act on each element by itself (the activation f).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core import space
from ..core.errors import GradientError
from ..core.interpret import EVALUATE, interpreting
from ..core.spec import shape_of, spec_of
from ..transforms.backward import numbers_of
from ..transforms.node import Leaf, Node
from . import language
from .cotangents import Cotangents
from .edges import Surroundings
from .formula import to_unicode
from .history import History, origin_of, owner, part_of
from .names import Names
from .receipt import LayerAccount, LayerView, Quantity
from .slopes import pulled, pushed
from .statement import pullback_formula, structure
from .steps import StepWriter
from .symbols import number

__all__ = ["layer_view"]


@dataclass
class _Layer:
    """The nodes of one layer."""

    affine: Node
    weight: Leaf
    weight_at: int
    x_at: int
    transposed: bool
    """Whether z = x Wᵀ, W having one row per output, rather than z = x W."""
    bias: Leaf | None = None
    bias_at: tuple[Node, int] | None = None
    nodes: list[Node] = field(default_factory=list)
    """Those behind the affine one: the addition of the bias, then the activation."""
    z: Node | None = None

    @property
    def z_node(self) -> Node:
        return self.z or self.affine

    @property
    def last(self) -> Node:
        return self.nodes[-1] if self.nodes else self.affine

    @property
    def activation(self) -> list[Node]:
        return [node for node in self.nodes if node.serial > self.z_node.serial]


def layer_view(history: History, loss: Any, names: Names, sample: int | None, lang: str) -> LayerView:
    """Return the layers between the data and the loss. Raises GradientError where none are found."""
    layers = _find(history)
    if not layers:
        raise GradientError(
            "explain: no layers were found: the loss does not depend on any product of an input with a weight that "
            "has two axes and requires gradients"
        )
    history.complete(history.nodes.values())
    seed = spec_of(loss).dtype.type(1)
    cotangents = Cotangents(history, seed, [*history.nodes, *history.leaves])
    around = Surroundings(history, cotangents)
    writer = StepWriter(around, names, names.of_loss(loss), lang)
    batch = shape_of(history.output(layers[0].z_node))[0] if np.ndim(history.output(layers[0].z_node)) > 1 else 1
    if sample is not None and not -batch <= sample < batch:
        raise IndexError(f"explain: sample {sample} does not exist in a batch of {batch}")
    chosen = None if sample is None else sample % batch
    accounts = [_account(layer, i, layers, around, writer, chosen, lang) for i, layer in enumerate(layers, 1)]
    return LayerView(chosen, batch, float(numbers_of(loss)), tuple(accounts), lang)


# ------------------------------------------------------------------------------------------- finding


def _find(history: History) -> list[_Layer]:
    """Return the layers in the order of the way forward."""
    leaf_of: dict[int, Leaf] = dict(history.leaves)
    for node in history.nodes.values():  # a leaf seen through mappings that only rearrange it
        if node.mapping.family == "linear" and node.links[0] is not None and owner(node.links[0]).serial in leaf_of:
            leaf_of[node.serial] = leaf_of[owner(node.links[0]).serial]
    found = []
    for node in history.nodes.values():
        layer = _affine(history, node, leaf_of)
        if layer is not None:
            _follow(history, layer, leaf_of)
            found.append(layer)
    return found


def _affine(history: History, node: Node, leaf_of: dict[int, Leaf]) -> _Layer | None:
    if node.mapping.family not in ("bilinear", "composite") or node.mapping.outputs is not None:
        return None
    leaves = [None if link is None else leaf_of.get(owner(link).serial) for link in node.links]
    for position, leaf in enumerate(leaves):
        if leaf is None or len(shape_of(history.value(leaf))) != 2:
            continue
        history.complete([node])
        inputs = history.inputs(node)
        found = structure(node.mapping, node.static, inputs, position)
        if found is None or found.factor is None:
            continue
        back = structure(node.mapping, node.static, inputs, found.factor)
        if back is None or back.factor != position:
            continue
        seen = shape_of(history.value(leaf)) == shape_of(inputs[position]) and owner(node.links[position]) is leaf
        rows_first = back.through[0] in back.out  # ∂z[n,o]/∂x[n,i] = W[o,i], rather than W[i,o]
        layer = _Layer(node, leaf, position, found.factor, rows_first == seen)
        for other, candidate in enumerate(leaves):
            if candidate is not None and other != position and len(shape_of(history.value(candidate))) == 1:
                layer.bias, layer.bias_at = candidate, (node, other)
        return layer
    return None


def _follow(history: History, layer: _Layer, leaf_of: dict[int, Leaf]) -> None:
    """Add the bias and the activation behind an affine node."""
    at = layer.affine
    while len(readers := history.readers.get(at.serial, [])) == 1:
        node, position = readers[0]
        if node.mapping.family not in ("elementwise", "user") or node.mapping.derivative is None:
            return
        linked = [i for i, link in enumerate(node.links) if link is not None and i != position]
        leaf = leaf_of.get(owner(node.links[linked[0]]).serial) if len(linked) == 1 else None
        if leaf is not None and layer.bias is None and not layer.nodes and _adds(history, node):
            layer.bias, layer.bias_at, layer.z = leaf, (node, linked[0]), node
        elif linked:
            return
        layer.nodes.append(node)
        at = node


def _adds(history: History, node: Node) -> bool:
    """Whether the derivative with respect to each input is declared to be the number 1."""
    history.complete([node])
    with interpreting(EVALUATE):
        slopes = [
            rule(*history.inputs(node), history.output(node), **node.static) for rule in node.mapping.derivative or ()
        ]
    return all(isinstance(slope, int | float) and slope == 1 for slope in slopes)


# ------------------------------------------------------------------------------------------ numbers


def _account(
    layer: _Layer, i: int, layers: list[_Layer], around: Surroundings, writer: StepWriter, sample: int | None, lang: str
) -> LayerAccount:
    history, cotangents = around.history, around.cotangents
    z, a = history.output(layer.z_node), history.output(layer.last)
    delta = _dense(cotangents.of((layer.z_node.serial, 0)), z)
    carried = _dense(cotangents.of((layer.last.serial, 0)), a)
    x = history.inputs(layer.affine)[layer.x_at]
    batched = np.ndim(z) > 1

    def of(array: Any) -> Any:
        array = np.asarray(array)
        return array if not batched else array.mean(axis=0) if sample is None else array[sample]

    weight = writer.quantity((layer.weight.serial, 0), (), history.value(layer.weight))
    bias: Quantity | None = None
    weight_gradient = _dense(cotangents.of((layer.weight.serial, 0)), history.value(layer.weight))
    bias_gradient = None
    if layer.bias is not None:
        bias = writer.quantity((layer.bias.serial, 0), (), history.value(layer.bias))
        bias_gradient = _dense(cotangents.of((layer.bias.serial, 0)), history.value(layer.bias))
    if sample is not None and batched:
        weight_gradient = _part(layer, layer.affine, layer.weight_at, layer.weight, around, sample)
        if layer.bias is not None and layer.bias_at is not None:
            bias_gradient = _part(layer, *layer.bias_at, layer.bias, around, sample)
    return LayerAccount(
        name=writer.names.module(layer.affine) or weight.name,
        origin=origin_of(layer.affine),
        x=of(x),
        z=of(z),
        a=of(a),
        activation=_words(layer, lang),
        slope=of(_slope(layer, history, z)) if sample is not None or not batched else None,
        carried=of(carried),
        delta=of(delta),
        statement=_statement(layer, i, layers, around, writer),
        weight=weight,
        weight_gradient=weight_gradient,
        bias=bias,
        bias_gradient=bias_gradient,
    )


def _dense(g: Any, like: Any) -> Any:
    return space.zeros(like) if g is None else g


def _slope(layer: _Layer, history: History, z: Any) -> Any:
    """Return f′(z): ones pushed through the mappings of the activation."""
    t: Any = np.ones(shape_of(z), spec_of(z).dtype)
    for node in layer.activation:
        ts = [t if link is not None else None for link in node.links]
        (pushed_on,) = pushed(node.mapping, node.static, history.inputs(node), history.output(node), ts)
        t = np.zeros(shape_of(z)) if pushed_on is None else pushed_on
    return t


def _part(layer: _Layer, node: Node, position: int, leaf: Leaf, around: Surroundings, sample: int) -> Any:
    """Return what one sample adds to the gradient of a leaf: its row of ∂L/∂(node), pulled back alone."""
    history = around.history
    g = np.asarray(_dense(around.cotangents.of((node.serial, 0)), history.output(node)))
    only = np.zeros_like(g)
    only[sample] = g[sample]
    link: Any = node
    carried: Any = only
    while True:
        needs = [i == position for i in range(len(link.links))]
        back = pulled(link.mapping, link.static, history.inputs(link), history.output(link), carried, needs)[position]
        carried = _dense(back, history.inputs(link)[position])
        source = owner(link.links[position])
        if source is leaf:
            return carried
        link, position = source, 0


def _words(layer: _Layer, lang: str) -> str:
    said = "z"
    for node in layer.activation:
        names = {
            name: said if link is not None else to_unicode(number(x))
            for name, link, x in zip(node.mapping.arguments, node.links, node.inputs or (), strict=False)
        }
        said = language.words(node.mapping, lang, **{**{k: str(v) for k, v in node.static.items()}, **names})
    return said if layer.activation else ""


# --------------------------------------------------------------------------------------- statements


def _statement(layer: _Layer, i: int, layers: list[_Layer], around: Surroundings, writer: StepWriter) -> str:
    """Say how δ comes about: from the next layer's, or from the loss."""
    history = around.history
    through = f" ⊙ f′(z{i})" if layer.activation else ""
    readers = history.readers.get(layer.last.serial, [])
    if len(readers) == 1:
        node, position = readers[0]
        following = next((k for k, other in enumerate(layers, 1) if other.affine is node), None)
        if following is not None and layers[following - 1].x_at == position:
            sign = "ᵀ" if layers[following - 1].transposed else ""
            sent = f"W{following}{sign} δ{following}"
            return f"δ{i} = ({sent}){through}" if through else f"δ{i} = {sent}"
        whole = node.mapping.family not in ("reduction", "linear", "elementwise")
        if whole and node.serial == owner(history.root).serial and part_of(history.root) == 0:
            shown = writer.plain_names(node)
            shown[position] = f"a{i}" if layer.activation else f"z{i}"
            formula = pullback_formula(
                node.mapping, node.static, history.inputs(node), history.output(node), position, shown, writer.loss, "1"
            )
            if formula is not None:
                sent = to_unicode(formula)
                return f"δ{i} = ({sent}){through}" if through else f"δ{i} = {sent}"
    return f"δ{i} = ∂{writer.loss}/∂a{i}{through}" if through else f"δ{i} = ∂{writer.loss}/∂z{i}"
