"""cond: one of two functions, chosen by a truth value that may be known only when the step runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..core import tree
from ..core.errors import DtypeError, ShapeError
from ..core.spec import result_dtype
from ..mappings import where
from ..transforms.graph import Symbol
from ..transforms.reverse import present
from .body import assemble
from .branches import Branches, branch_mapping
from .carry import holds, paths, predicate, require_function, same_structure
from .enclose import Enclosure, enclose, outer_spec, refuse_state_in_a_batch, write_back

__all__ = ["cond"]


def cond(pred: Any, true_fun: Callable[..., Any], false_fun: Callable[..., Any], *operands: Any) -> Any:
    r"""Return `true_fun(*operands)` if `pred` holds, else `false_fun(*operands)`.

    `pred` is one truth value (a number stands for "not zero"). Where its value is known, the chosen function
    simply runs. In a traced step where it is not, both functions are recorded, one runs in each replay, and
    both must return containers of the same structure, shapes and dtypes. Where `pred` differs from example to
    example (inside `vmap`), both functions are computed and each example takes its own: then the trap of
    `where` holds here, too (a derivative that is infinite in the function not chosen gives 0 · inf = NaN).

    Gradients and tangents of any order reach the operands and whatever the functions close over.

    Raises ShapeError or DtypeError when the functions do not return the same kind of result.

    >>> import pullback as pb
    >>> step = pb.trace(lambda x: pb.cond(x > 0, lambda x: x * x, lambda x: -x, x))
    >>> step(pb.tensor(3.0)).item(), step(pb.tensor(-3.0)).item()
    (9.0, 3.0)
    """
    require_function("cond", "true_fun", true_fun)
    require_function("cond", "false_fun", false_fun)
    pred = predicate("cond", "pred", pred, numbers=True)
    known = holds(pred)
    if known is None:
        return _recorded(pred, true_fun, false_fun, operands)
    chosen, by_example = known
    if not by_example:
        return true_fun(*operands) if chosen else false_fun(*operands)
    result, other = true_fun(*operands), false_fun(*operands)
    others = same_structure("cond", "the result of false_fun", other, result, "that of true_fun")
    leaves, structure = tree.flatten(result)
    for a, b, path in zip(leaves, others, paths("result", result), strict=True):
        _common_dtype(a, b, path)
    return tree.unflatten(structure, [where(pred, a, b) for a, b in zip(leaves, others, strict=True)])


def _recorded(pred: Any, true_fun: Callable[..., Any], false_fun: Callable[..., Any], operands: Sequence[Any]) -> Any:
    """Record both functions, and apply the mapping to all that either of them uses."""
    nothing = tree.flatten(())[1]
    one = enclose("cond", lambda: true_fun(*operands), nothing, ())
    other = enclose("cond", lambda: false_fun(*operands), nothing, ())
    pair = (one, other)
    others = same_structure("cond", "the result of false_fun", other.result, one.result, "that of true_fun")
    leaves, structure = tree.flatten(one.result)
    outputs: tuple[list[Any], list[Any]] = ([], [])
    for a, b, path in zip(leaves, others, paths("result", one.result), strict=True):
        dtype = _common_dtype(a, b, path)
        outputs[0].append(one.level.output(a, dtype))
        outputs[1].append(other.level.output(b, dtype))
    cells = list(dict.fromkeys([*one.level.cells, *other.level.cells]))
    written = [cell for cell in cells if cell in one.level.writes or cell in other.level.writes]
    refuse_state_in_a_batch("cond", written)
    before = [next(side.level.cells[cell][0] for side in pair if cell in side.level.cells) for cell in cells]
    captured = {key: value for side in pair for key, (value, _) in side.level.captured.items()}
    bodies = []
    for side, results in zip(pair, outputs, strict=True):
        level = side.level
        inputs = [
            *(_symbol_of(level, level.captured, key, x) for key, x in captured.items()),
            *(_symbol_of(level, level.cells, cell, x) for cell, x in zip(cells, before, strict=True)),
        ]
        symbols = dict(zip(cells, inputs[len(captured) :], strict=True))
        left = [level.output(level.writes[cell]) if cell in level.writes else symbols[cell] for cell in written]
        bodies.append(assemble(level, inputs, [*left, *results]))
    found = branch_mapping(pred, *captured.values(), *before, branches=Branches(*bodies))
    write_back(written, found[: len(written)])
    return tree.unflatten(structure, [present(x) for x in found[len(written) :]])


def _symbol_of(level: Enclosure, known: dict[Any, tuple[Any, Symbol]], key: Any, value: Any) -> Symbol:
    """The symbol of a value inside one of the functions; one that only the other uses gets a new one."""
    return known[key][1] if key in known else level.symbol(outer_spec(value))


def _common_dtype(a: Any, b: Any, path: str) -> Any:
    """Return the dtype of two leaves that stand for each other; raises an error when they are of different kinds."""
    one, other = outer_spec(a), outer_spec(b)
    if one.shape != other.shape:
        raise ShapeError(
            f"cond: both functions must return the same shapes; {path} is {one} from true_fun, and {other} from "
            f"false_fun"
        )
    dtype = result_dtype(one, other)
    if any(spec.weak is None and spec.dtype != dtype for spec in (one, other)):
        raise DtypeError(
            f"cond: both functions must return the same dtypes; {path} is {one} from true_fun, and {other} from "
            f"false_fun"
        )
    return dtype if one.weak is None or other.weak is None else None
