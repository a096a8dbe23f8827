"""explain: the full account of one gradient, generated from the very rules that compute it."""

from __future__ import annotations

from collections.abc import Mapping as ReadOnlyDict
from typing import TYPE_CHECKING, Any

from ..core.errors import GradientError, ShapeError
from ..core.interpret import EVALUATE
from ..core.spec import spec_of
from ..core.value import Value
from ..transforms.node import Node
from ..transforms.reverse import TAPE, keep_values, tape
from . import language
from .explanation import Explanation, bare, empty_receipt
from .history import History
from .missing import not_computed_yet
from .names import Names, caller
from .receipt import Receipt

if TYPE_CHECKING:
    from ..optim import Optimizer

__all__ = ["explain"]


def explain(
    loss: Any,
    wrt: Any = None,
    *,
    index: int | tuple[int, ...] | None = None,
    optimizer: Optimizer | None = None,
    layers: bool = False,
    sample: int | None = None,
    check: bool = True,
    names: ReadOnlyDict[str, Any] | None = None,
    lang: str | None = None,
) -> Any:
    """Return the receipt of one gradient: how ∂loss/∂wrt came to be, every factor and every sum, checked.

    `loss`: a scalar tensor whose graph was not released (before `backward()`, or after
    `backward(retain_graph=True)`), or a function of no arguments that computes it: then the computation is
    run here, and a gradient that is missing is explained down to the line that cut it off.

    `wrt`: any tensor that the loss may have been computed from: a leaf, a parameter, an intermediate result,
    or a selection of one such as `w[0, 3]`; or the name of a parameter of a module that ran. `index` chooses
    an element; without it, that of the largest gradient is taken.

    `optimizer` adds what it would make of the gradient. `layers` adds the layer view (z, a, δ of each layer,
    for the `sample` chosen or the mean over the batch); without `wrt` the layer view alone is returned.
    `check` compares with finite differences of the recorded graph. `names` gives tensors names: a dict by
    name. `lang` is "en" or "zh", by default the language of the locale.

    Nothing changes: no `.grad` is written, the graph is not released. Raises GradientError for a tensor
    without history, FreedGraphError for a released graph, IndexError for an element that does not exist,
    TypeError for what is not a tensor.

    >>> import pullback as pb
    >>> x, y = pb.value(1.0), pb.value(2.0)
    >>> receipt = pb.explain((x**2 + x * y) * y**3, x)
    >>> receipt.gradient, receipt.total, [row.product for row in receipt.rows], receipt.check.verdict
    (32.0, 32.0, [16.0, 16.0], 'agrees')
    """
    lang = language.language(lang)
    frame = caller()
    if callable(loss) and not isinstance(loss, Value):
        called = getattr(loss, "__name__", "")
        with keep_values():
            loss = loss()
        if called.isidentifier():  # that of a lambda is none
            names = {**(names or {}), called: loss}
    _require_tensor(loss, "loss")
    if wrt is None and not layers:
        return _of_grad_alone(loss, names, frame, lang)
    _require_number(loss)
    if isinstance(wrt, str):
        wrt = _by_name(loss, wrt, names)
    if wrt is not None:
        _require_tensor(wrt)
    history = History(loss._link) if loss._link is not None else None
    view = None
    if layers:
        from .layers import layer_view

        if history is None:
            raise GradientError("explain: layers=True needs a loss that was computed from parameters with gradients")
        view = layer_view(history, loss, Names(history, names, frame), sample, lang)
        if wrt is None:
            return view
    return Explanation(loss, wrt, index, history, names, frame, lang, check).receipt(optimizer, view)


def _require_number(loss: Any) -> None:
    if tape().below is not EVALUATE:
        raise GradientError("explain: inside a traced step or a transform there are no numbers yet; explain outside")
    shape = spec_of(loss).shape
    if shape != ():
        raise ShapeError(
            f"explain: the loss must be one number, this tensor has shape {shape}.\n"
            f"  wrong:  pb.explain(y, w)\n  right:  pb.explain(y.sum(), w), or pb.explain(y[0, 1], w)"
        )


def _require_tensor(x: Any, what: str = "wrt") -> None:
    if not isinstance(x, Value):
        raise TypeError(
            f"explain: {what} must be a tensor, got {type(x).__name__}.\n"
            f"  wrong:  pb.explain(loss, w.numpy())\n  right:  pb.explain(loss, w)"
        )
    if x._owner is not TAPE:
        raise GradientError(f"explain: {what} belongs to {x._owner.described}; explain the result outside of it")


def _by_name(loss: Any, name: str, names: ReadOnlyDict[str, Any] | None) -> Any:
    known = dict(names or {})
    if loss._link is not None:
        for node in History(loss._link).nodes.values():
            if node.scope:
                known.update(node.scope[0].named_parameters())
    if name not in known:
        raise KeyError(f"explain: no parameter is called {name!r}; there are {', '.join(known) or 'none'}")
    return known[name]


def _of_grad_alone(loss: Any, names: ReadOnlyDict[str, Any] | None, frame: Any, lang: str) -> Receipt:
    """A tensor alone: of a leaf without a gradient there is something to say, namely that none was computed yet."""
    if isinstance(loss._link, Node) or loss._link is None or loss.grad is not None:
        raise TypeError(
            "explain: say which gradient, by the tensor that it belongs to.\n"
            "  wrong:  pb.explain(loss)\n  right:  pb.explain(loss, w)"
        )
    history = History(loss._link)
    name = Names(history, names, frame).of_link(loss._link)
    quantity = bare(loss, name)
    return empty_receipt(quantity, quantity, not_computed_yet(name, lang), lang, None)
