"""while_loop: a function applied as long as a test holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core import tree
from ..core.errors import UnsupportedError
from ..mappings import where
from ..transforms.reverse import present
from .body import assemble
from .carry import arrays, fitting, holds, paths, predicate, require_function, same_structure
from .enclose import enclose, is_tracing, outer_spec, refuse_state_in_a_batch, write_back
from .turns import Turns, turns_mapping

__all__ = ["while_loop"]


def while_loop(cond_fun: Callable[[Any], Any], body_fun: Callable[[Any], Any], init_val: Any) -> Any:
    """Apply `body_fun` to `init_val`, and to what comes out of it, as long as `cond_fun` of it holds.

    The value is a nested container of arrays, whose structure, shapes and dtypes `body_fun` keeps; Python
    floats in `init_val` take the dtype of its floating arrays, else the default dtype. `cond_fun` returns one
    boolean. Inside `vmap` the loop runs until all examples are done; who is done keeps its value.

    Outside of a traced step the loop is recorded step by step as it runs, and can be differentiated in both
    modes. In a traced step it becomes one equation, whose number of steps is known only when it runs: it can
    be differentiated in forward mode, and refuses reverse mode (use `scan` or `fori_loop`).

    Raises ShapeError or DtypeError when the value changes its kind, or the test is not one boolean.

    >>> import pullback as pb
    >>> pb.while_loop(lambda x: x < 100.0, lambda x: 2.0 * x, 3.0).item()
    192.0
    """
    require_function("while_loop", "cond_fun", cond_fun)
    require_function("while_loop", "body_fun", body_fun)
    leaves, structure = tree.flatten(init_val)
    carry = arrays("while_loop", leaves)
    if is_tracing():
        return _recorded(cond_fun, body_fun, tree.unflatten(structure, carry))
    names = paths("value", init_val)
    fed = carry
    while True:
        going = predicate("while_loop", "what cond_fun returns", cond_fun(tree.unflatten(structure, carry)))
        known = holds(going)
        assert known is not None, "a traced predicate outside of a traced step"
        if not known[0]:
            return tree.unflatten(structure, carry)
        if known[1]:
            # Who is done is fed once more with the last value that was not: its result is not used, but
            # with another one the way back could meet an infinite slope (0 · inf is not 0).
            fed = [where(going, new, old) for new, old in zip(carry, fed, strict=True)]
        before = tree.unflatten(structure, fed if known[1] else carry)
        after = same_structure("while_loop", "what body_fun returns", body_fun(before), before, "what it gets")
        new = [fitting("while_loop", x, old, name, "") for x, old, name in zip(after, carry, names, strict=True)]
        carry = [where(going, x, old) for x, old in zip(new, carry, strict=True)] if known[1] else new


def _recorded(cond_fun: Callable[[Any], Any], body_fun: Callable[[Any], Any], init: Any) -> Any:
    """Record test and body once, and apply the mapping to all that they use."""
    carry, structure = tree.flatten(init)
    specs = [outer_spec(x) for x in carry]
    arguments = tree.flatten((init,))[1]
    test = enclose("while_loop", cond_fun, arguments, specs)
    body = enclose("while_loop", body_fun, arguments, specs)
    going = test.level.output(predicate("while_loop", "what cond_fun returns", test.result))
    if test.level.writes:
        raise UnsupportedError(
            "while_loop: cond_fun changes state (a random draw, a counter); the test of a recorded loop can only read"
        )
    after = same_structure("while_loop", "what body_fun returns", body.result, init, "what it gets")
    outputs = [
        body.level.output(fitting("while_loop", new, old, name, ""), spec.dtype)
        for new, old, name, spec in zip(after, carry, paths("value", init), specs, strict=True)
    ]
    state = {cell: body.level.cells[cell] for cell in body.level.writes}
    refuse_state_in_a_batch("while_loop", list(state))
    left = [body.level.output(value) for value in body.level.writes.values()]
    constants, symbols = body.level.constants()
    of_test = {cell: pair for cell, pair in test.level.cells.items() if cell not in state}
    test_values = [*test.level.captured.values(), *of_test.values()]
    seen = [
        test.level.cells[cell][1] if cell in test.level.cells else test.level.symbol(outer_spec(value))
        for cell, (value, _) in state.items()
    ]
    turns = Turns(
        assemble(test.level, [*(symbol for _, symbol in test_values), *seen, *test.arguments], [going]),
        assemble(
            body.level, [*symbols, *(symbol for _, symbol in state.values()), *body.arguments], [*left, *outputs]
        ),
        len(test_values),
        len(constants),
    )
    before = [value for value, _ in state.values()]
    results = turns_mapping(*(value for value, _ in test_values), *constants, *before, *carry, turns=turns)
    n = len(state)
    write_back(list(state), results[:n])
    return tree.unflatten(structure, [present(x) for x in results[n:]])
