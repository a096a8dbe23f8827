"""graph: a picture of a computation, with the values that went forward and the gradients that came back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..core.errors import GradientError, ShapeError
from ..core.spec import shape_of, spec_of
from ..core.value import Value
from ..transforms.reverse import TAPE, keep_values
from ..transforms.trace import Graph
from .diagram import Box, Diagram
from .drawing import Drawing
from .fold import fold, open_at_first
from .history import History, owner
from .language import language, text
from .names import caller
from .recorded import recorded_boxes
from .traced import traced_boxes
from .uninterrupted import uninterrupted

__all__ = ["graph"]

DIRECTIONS = ("both", "forward", "backward")
MOST_MAPPINGS = 200_000
"""So many mappings a drawing holds: it takes about 8 kB for each, and its page half a kilobyte."""


def graph(
    subject: Any,
    *inputs: Any,
    direction: str = "both",
    wrt: Any = None,
    depth: int | None = None,
    gradient: Any = None,
    names: dict[str, Any] | None = None,
    lang: str | None = None,
) -> Drawing:
    """Draw how a tensor was computed, and how its gradient goes back: Mermaid, DOT, SVG or a page to explore.

    `subject`: a tensor with history; or a module, which is called with `inputs`; or the `Graph` of a traced
    function (no numbers then). `direction`: "both", "forward" (values) or "backward" (gradients). `wrt`: a tensor
    or several; only what lies on a path from them is drawn. `depth`: how many levels of modules are open at first.
    `gradient`: what the way back of a tensor that is not one number starts from; without it, no gradients are
    shown. `names` names tensors that no variable or module names. `lang`: "en", "zh", or the locale's.

    Nothing is written and nothing is released: the gradients come from a walk of the engine beside the program.

    Raises GradientError for a tensor without history, FreedGraphError for a graph that `backward` has released,
    ValueError for another `direction` and for more mappings than a drawing holds (200,000), TypeError for another
    subject.

    >>> import pullback as pb
    >>> x = pb.tensor(2.0, requires_grad=True)
    >>> y = x * x
    >>> print(pb.graph(y, lang="en").mermaid())
    flowchart TB
      b0(["x<br/>= 2<br/>∂ 4"]):::leaf
      b1["y = x · x<br/>= 4<br/>∂ 1"]:::root
      b0 -->|"×2"| b1
    ...
    """
    if direction not in DIRECTIONS:
        raise ValueError(f"graph: expected direction to be 'both', 'forward' or 'backward', got {direction!r}")
    if depth is not None and depth < 0:
        raise ValueError(f"graph: expected depth to be 0 or more, got {depth}")
    lang = language(lang)
    frame = caller()
    if isinstance(subject, Graph):
        _require_room(len(subject.equations))
        boxes, root = traced_boxes(subject)
        return Drawing(_diagram(boxes, root, depth, False, lang), direction, lang)
    given = dict(names or {})
    if callable(subject) and hasattr(subject, "named_parameters"):
        given |= {f"x{i}" if len(inputs) > 1 else "x": x for i, x in enumerate(inputs, 1) if isinstance(x, Value)}
        with keep_values():
            subject = subject(*inputs)
    elif inputs:
        raise TypeError("graph: only a module takes inputs; give the tensor that was computed from them")
    link = _link(subject)
    seed = _seed(subject, gradient, direction)
    wanted = None if wrt is None else {link.serial for link in _links(wrt)}
    with uninterrupted():
        history = History(link)
        _require_room(len(history.nodes) if wanted is None else len(history.on_paths(wanted)))
        if seed is not None:
            history = history.kept()  # receipts are written when they are asked for, the program may go on until then
        boxes, root, record = recorded_boxes(history, seed, wanted, given, frame)
        diagram = _diagram(boxes, root, depth, seed is not None, lang)
    return Drawing(diagram, direction, lang, None if seed is None else record, explained=gradient is None)


def _require_room(count: int) -> None:
    if count > MOST_MAPPINGS:
        raise ValueError(
            f"graph: this computation has {count:,} mappings, and a drawing holds {MOST_MAPPINGS:,} at most.\n"
            f"  wrong:  pb.graph(loss)\n"
            f"  right:  pb.graph(loss, wrt=w), which draws only what lies on a path from w; or draw a part of it"
        )


def _link(subject: Any) -> Any:
    if not isinstance(subject, Value):
        raise TypeError(
            f"graph: expected a tensor, a module with its inputs, or the graph of a traced function, got "
            f"{type(subject).__name__}.\n  wrong:  pb.graph(lambda x: x * x)\n  right:  pb.graph(x * x)"
        )
    if subject._owner is not TAPE:
        raise GradientError(
            f"graph: this value belongs to {subject._owner.described}; draw the tensor that comes out of it.\n"
            f"  wrong:  pb.vmap(lambda x: pb.graph(x * x))(xs)\n  right:  pb.graph(pb.vmap(lambda x: x * x)(xs))"
        )
    if subject._link is None:
        raise GradientError(
            "graph: this tensor has no history: nothing that it was computed from requires a gradient, or it was "
            "computed inside no_grad, detached, or has an integer dtype.\n"
            "  wrong:  x = pb.tensor(2.0); pb.graph(x * x)\n"
            "  right:  x = pb.tensor(2.0, requires_grad=True); pb.graph(x * x)"
        )
    return subject._link


def _links(wrt: Any) -> Iterable[Any]:
    for x in [wrt] if isinstance(wrt, Value) else wrt:
        if not isinstance(x, Value) or x._link is None:
            raise GradientError("graph: wrt: expected tensors that require a gradient")
        yield owner(x._link)


def _seed(subject: Any, gradient: Any, direction: str) -> Any:
    """Return what the way back starts from, or None where no gradients are to be shown."""
    spec = spec_of(subject)
    if gradient is not None:
        g = np.asarray(gradient, spec.dtype)
        if shape_of(g) != spec.shape:
            raise ShapeError(f"graph: gradient must have the shape {spec.shape} of the tensor, got {g.shape}")
        return g[()]
    if direction == "forward" or spec.shape != ():
        return None
    return spec.dtype.type(1)


def _diagram(boxes: Sequence[Box], root: int, depth: int | None, gradients: bool, lang: str) -> Diagram:
    groups = fold(boxes, lambda kind, **facts: text(f"graph.{kind}", lang, **facts))
    title = boxes[root].symbol if boxes else ""
    return Diagram(tuple(boxes), root, title, groups, open_at_first(groups, depth), gradients)
