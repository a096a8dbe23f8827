"""The functional transforms built on reverse and forward mode: grad, vjp, jacobian, hessian, hvp."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import space, tree
from ..core.errors import DtypeError, GradientError, ShapeError
from ..core.interpret import current, interpreting
from ..core.spec import spec_of
from ..core.value import Face
from .arguments import array_leaf, differentiable_leaf, leaf_name
from .batch import vmap
from .forward import jvp, push
from .node import Leaf
from .reverse import Reverse, lower, present, settle
from .walk import walk_back

__all__ = ["grad", "hessian", "hvp", "jacobian", "value_and_grad", "vjp"]


def vjp(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """Evaluate a function and return its pullback at that point: the vector-Jacobian product g ↦ Jᵀg.

    Returns `(value, pullback)`, where `pullback(cotangent)` takes a container nested as the value and
    returns a tuple with one entry per argument of `f`. With `has_aux`, `f` returns `(value, aux)` and
    vjp returns `(value, pullback, aux)`. The pullback may be called any number of times.

    Raises DtypeError for an integer argument, ShapeError for a cotangent that does not fit.

    >>> import numpy as np, pullback as pb
    >>> y, pullback = pb.vjp(lambda x: x**2, np.array([1.0, 3.0]))
    >>> pullback(np.array([1.0, 1.0]))[0].tolist()
    [2.0, 6.0]
    """
    xs, structure = tree.flatten(primals)
    xs = [differentiable_leaf(x, f"vjp: {leaf_name(i, xs)}") for i, x in enumerate(xs)]
    level = Reverse(current())
    leaves = [Leaf() for _ in xs]
    boxes = [Face.new(level, x, leaf) for x, leaf in zip(xs, leaves, strict=True)]
    aux: Any = None
    with interpreting(level):
        result = f(*tree.unflatten(structure, boxes))
    if has_aux:
        result, aux = _split_aux("vjp", result)
        aux = tree.map(lambda a: present(lower(level, a)[0]), aux)
    outs, out_structure = tree.flatten(result)
    lowered = [lower(level, array_leaf(y, "vjp: a result of the function")) for y in outs]
    values = [present(value) for value, _ in lowered]

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        gs, g_structure = tree.flatten(cotangent)
        if g_structure != out_structure:
            raise ShapeError("vjp: the cotangent must be nested as the value of the function is")
        seeds = []
        for i, (g, (value, link)) in enumerate(zip(gs, lowered, strict=True)):
            g = _cotangent(g, value, i)
            if link is not None:
                seeds.append((link, g))
        found = walk_back(seeds, retain=True)
        grads = _dense([found.get(leaf) for leaf in leaves], xs, taken=[g for _, g in seeds])
        return tuple(tree.unflatten(structure, grads))

    value = tree.unflatten(out_structure, values)
    return (value, pullback, aux) if has_aux else (value, pullback)


def value_and_grad(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """Like `grad`, but the function also returns the value: `(value, gradient)`.

    With `has_aux`, `f` returns `(value, aux)` and the result is `((value, aux), gradient)`.
    """
    several = not isinstance(argnums, int)

    @functools.wraps(f)
    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        numbers = _argument_numbers("grad", argnums, len(args))
        chosen = tuple(args[i] for i in numbers)

        def of_chosen(*new: Any) -> Any:
            full = list(args)
            for i, x in zip(numbers, new, strict=True):
                full[i] = x
            return f(*full, **kwargs)

        value, pullback, *aux = vjp(of_chosen, *chosen, has_aux=has_aux)
        spec = spec_of(value) if not isinstance(value, tuple | list | dict) and value is not None else None
        if spec is None or spec.shape != ():
            shown = type(value).__name__ if spec is None else f"an array of shape {spec.shape}"
            raise GradientError(
                f"grad: the function must return one number (shape ()), got {shown}.\n"
                f"  wrong:  pb.grad(lambda x: x**2)(x)\n"
                f"  right:  pb.grad(lambda x: pb.sum(x**2))(x), or pb.jacobian for every output"
            )
        if spec.dtype.kind != "f":
            raise DtypeError(f"grad: the function must return a real floating number, got dtype {spec.dtype}")
        gradients = pullback(np.ones((), spec.dtype)[()])
        result = (value, aux[0]) if has_aux else value
        return result, gradients if several else gradients[0]

    return value_and_gradient


def grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Turn a function that returns one number into the function that returns its gradient ∂f/∂x.

    `argnums` chooses the arguments (an int, or several: then a tuple of gradients comes back). An
    argument may be a nested container of arrays; the gradient is nested in the same way. With
    `has_aux`, `f` returns `(value, aux)` and the result is `(gradient, aux)`.

    Raises GradientError when the value is not one number, DtypeError for an integer argument.

    >>> import pullback as pb
    >>> f = lambda x, y: (x**2 + x * y) * y**3
    >>> [float(g) for g in pb.grad(f, argnums=(0, 1))(1.0, 2.0)]
    [32.0, 44.0]
    """
    both = value_and_grad(f, argnums, has_aux)

    @functools.wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, gradients = both(*args, **kwargs)
        return (gradients, value[1]) if has_aux else gradients

    return gradient


def jacobian(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False, *, mode: str = "auto"
) -> Callable[..., Any]:
    """Turn a function into the function that returns its Jacobian ∂yᵢ/∂xⱼ.

    For each array `y` of the value and each array `x` of the chosen arguments, an array of shape
    `y.shape + x.shape`, nested as the value and, inside, as the argument. `mode` is `"reverse"` (one
    pullback per output element, batched), `"forward"` (one pushforward per input element, batched) or
    `"auto"`: forward when there are fewer input than output elements.

    >>> import numpy as np, pullback as pb
    >>> pb.jacobian(lambda x: x**2)(np.array([1.0, 3.0])).tolist()
    [[2.0, 0.0], [0.0, 6.0]]
    """
    if mode not in ("auto", "reverse", "forward"):
        raise ValueError(f"jacobian: mode must be 'auto', 'reverse' or 'forward', got {mode!r}")
    several = not isinstance(argnums, int)

    @functools.wraps(f)
    def of_arguments(*args: Any, **kwargs: Any) -> Any:
        numbers = _argument_numbers("jacobian", argnums, len(args))
        chosen = tuple(args[i] for i in numbers)
        aux_box: list[Any] = []

        def of_chosen(*new: Any) -> Any:
            full = list(args)
            for i, x in zip(numbers, new, strict=True):
                full[i] = x
            y = f(*full, **kwargs)
            if has_aux:
                y, aux = _split_aux("jacobian", y)
                aux_box.append(aux)
            return y

        xs, structure = tree.flatten(chosen)
        xs = [differentiable_leaf(x, f"jacobian: {leaf_name(i, xs)}") for i, x in enumerate(xs)]
        value, pullback = vjp(of_chosen, *tree.unflatten(structure, xs))
        ys, out_structure = tree.flatten(value)
        inputs, outputs = sum(spec_of(x).size for x in xs), sum(spec_of(y).size for y in ys)
        forward = mode == "forward" or (mode == "auto" and inputs < outputs)
        rows = _columns(of_chosen, xs, structure, ys) if forward else _rows(pullback, ys, out_structure, xs)
        per_output = []
        for row in rows:
            blocks = tree.unflatten(structure, row)
            per_output.append(blocks if several else blocks[0])
        result = tree.unflatten(out_structure, per_output)
        return (result, tree.map(present, aux_box[0])) if has_aux else result

    return of_arguments


def _rows(pullback: Callable[..., Any], ys: list[Any], out_structure: Any, xs: list[Any]) -> list[list[Any]]:
    """Pull one unit cotangent per output element back, all at once."""
    rows = []
    for i, y in enumerate(ys):
        spec = spec_of(y)
        basis = np.eye(spec.size, dtype=spec.dtype).reshape(spec.size, *spec.shape)

        def pull_one(g: Any, i: int = i) -> Any:
            gs = [g if j == i else space.zeros(other) for j, other in enumerate(ys)]
            return tuple(tree.leaves(pullback(tree.unflatten(out_structure, gs))))

        columns = vmap(pull_one)(basis) if spec.size else [space.zeros(_stack_spec(0, x)) for x in xs]
        rows.append([space.reshape(c, spec.shape + spec_of(x).shape) for c, x in zip(columns, xs, strict=True)])
    return rows


def _columns(function: Callable[..., Any], xs: list[Any], structure: Any, ys: list[Any]) -> list[list[Any]]:
    """Push one unit tangent per input element forward, all at once."""
    blocks: list[list[Any]] = [[] for _ in ys]
    for i, x in enumerate(xs):
        spec = spec_of(x)
        basis = np.eye(spec.size, dtype=spec.dtype).reshape(spec.size, *spec.shape)

        def push_one(t: Any, i: int = i) -> Any:
            ts = [t if j == i else None for j in range(len(xs))]
            values, tangents = push(lambda *new: function(*tree.unflatten(structure, new)), xs, ts)
            flat = tree.leaves(values)
            return tuple(space.zeros(v) if d is None else d for v, d in zip(flat, tangents, strict=True))

        columns = vmap(push_one, out_axes=-1)(basis) if spec.size else [space.zeros(_stack_spec(0, y)) for y in ys]
        for j, (column, y) in enumerate(zip(columns, ys, strict=True)):
            blocks[j].append(space.reshape(column, spec_of(y).shape + spec.shape))
    return blocks


def _stack_spec(count: int, like: Any) -> Any:
    return np.empty((count, *spec_of(like).shape), spec_of(like).dtype)


def hessian(f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Turn a function that returns one number into the function that returns its Hessian ∂²f/∂xᵢ∂xⱼ.

    Forward over reverse: one pushforward of the gradient per input element, batched.

    >>> import numpy as np, pullback as pb
    >>> pb.hessian(lambda x: pb.sum(x**3))(np.array([1.0, 2.0])).tolist()
    [[6.0, 0.0], [0.0, 12.0]]
    """
    return jacobian(grad(f, argnums, has_aux), argnums, has_aux, mode="forward")


def hvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """Return the Hessian-vector product H·t without the Hessian, forward over reverse.

    `primals` and `tangents` are tuples as for `jvp`; the result is a tuple with one entry per argument,
    or the one entry itself when `f` has one argument.

    >>> import numpy as np, pullback as pb
    >>> pb.hvp(lambda x: pb.sum(x**3), (np.array([1.0, 2.0]),), (np.array([1.0, 0.0]),)).tolist()
    [6.0, 0.0]
    """
    gradient = grad(f, argnums=tuple(range(len(primals))))
    product = jvp(gradient, primals, tangents)[1]
    return product[0] if len(primals) == 1 else product


def _argument_numbers(name: str, argnums: int | Sequence[int], count: int) -> list[int]:
    numbers = [argnums] if isinstance(argnums, int) else list(argnums)
    for i in numbers:
        if not isinstance(i, int) or not -count <= i < count:
            raise ValueError(f"{name}: argnums is {argnums!r}, but the function was called with {count} arguments")
    return [i % count for i in numbers]


def _split_aux(name: str, result: Any) -> tuple[Any, Any]:
    if not isinstance(result, tuple) or len(result) != 2:
        raise TypeError(f"{name}: with has_aux=True the function must return a pair (value, aux)")
    return result


def _cotangent(g: Any, value: Any, index: int) -> Any:
    want = spec_of(value)
    g = array_leaf(g, f"vjp: cotangent {index}")
    have = spec_of(g)
    if have.shape != want.shape:
        raise ShapeError(f"vjp: cotangent {index} must have the shape {want.shape} of its value, got {have.shape}")
    return g if have.dtype == want.dtype else space.fit(g, value)


def _dense(gs: list[Any], xs: list[Any], taken: list[Any]) -> list[Any]:
    """Put zeros where a gradient is symbolic zero, and make sure that no two gradients share memory."""
    seen = {id(g): g for g in map(settle, taken)}
    dense = []
    for g, x in zip(gs, xs, strict=True):
        if g is None:
            g = space.zeros(x)
        else:
            g = space.own(settle(g), seen)
        dense.append(present(g))
    return dense
