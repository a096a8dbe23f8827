"""NumPy's own functions on a tensor: each runs the mapping of the same mathematics, so gradients flow.

NumPy asks a tensor before it touches it (`__array_ufunc__`, `__array_function__`, NEP 13 and NEP 18). What
is asked for is looked up by name in the `pullback` namespace when it is called; the tables below say where
the name or the arguments differ. What has no counterpart is refused, never computed behind the back of the
graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import tree
from ..core.spec import ndim_of, shape_of, spec_of
from ..core.value import Value
from .numpy_linalg import linalg_call

__all__ = ["function_call", "ufunc_call"]


# ------------------------------------------------------------------------------------ universal functions

UFUNC_NAMES = {
    "absolute": "abs",
    "arccos": "acos",
    "arccosh": "acosh",
    "arcsin": "asin",
    "arcsinh": "asinh",
    "arctan": "atan",
    "arctan2": "atan2",
    "arctanh": "atanh",
    "conjugate": "conj",
    "fabs": "abs",
    "invert": "bitwise_invert",
    "left_shift": "bitwise_left_shift",
    "power": "pow",
    "right_shift": "bitwise_right_shift",
    "rint": "round",
}

REDUCTIONS = {
    "add": "sum",
    "logical_and": "all",
    "logical_or": "any",
    "maximum": "max",
    "minimum": "min",
    "multiply": "prod",
}


def ufunc_call(ufunc: np.ufunc, method: str, inputs: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Run the mapping that a NumPy ufunc stands for: `np.sin(t)`, `np.add(a, t)`, `np.add.reduce(t, axis=0)`.

    Raises TypeError for `out=`, `where=` and other options of the call, and for a ufunc (or a method of one)
    that has no counterpart.
    """
    name = ufunc.__name__
    if method == "reduce" and name in REDUCTIONS:
        axis_first = {"axis": 0, **dict(zip(("axis", "dtype", "out", "keepdims"), inputs[1:], strict=False)), **kwargs}
        return _run(f"np.{name}.reduce", REDUCTION, REDUCTIONS[name], inputs[:1], axis_first)
    if method != "__call__":
        raise _refused(f"np.{name}.{method}", None)
    target = UFUNC_NAMES.get(name, name)
    if kwargs.get("out") is not None:
        raise TypeError(
            f"np.{name}: a tensor's result cannot be written into an array (out=, or an operator such as a += t); "
            f"use pullback.{target}\n  wrong:  a += t\n  right:  a = a + t"
        )
    for option, given in kwargs.items():
        if given is not None and not (option == "where" and given is True):
            raise TypeError(f"np.{name}: {option}= is not supported for tensors; use pullback.{target}")
    function = _lookup(target) if getattr(np, name, None) is ufunc else None
    if function is None:
        raise _refused(f"np.{name}" if hasattr(np, name) else f"the ufunc {name}", _known(target))
    return function(*inputs)


# ---------------------------------------------------------------------------------------------- functions


def _parameters(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Read `"a b / axis ddof=correction !out"`: NumPy's parameters in order, those before the slash positional.

    `ddof=correction` is called `correction` here; `!out` is refused unless it is left out.
    """
    leading, _, rest = text.rpartition("/")
    return tuple(leading.split()), tuple(rest.split())


REDUCTION = _parameters("x / axis !dtype !out keepdims !initial !where")
EXTREME = _parameters("x / axis !out keepdims !initial !where")
TRUTH = _parameters("x / axis !out keepdims !where")
MOMENT = _parameters("x / axis !dtype !out ddof=correction keepdims !where !mean correction")
CHOICE = _parameters("x / axis !out keepdims")
RUNNING = _parameters("x / axis !dtype !out")
JOIN = _parameters("arrays / axis !out !dtype !casting")
ORDER = _parameters("x / axis !kind !order !stable")
LIKE = _parameters("x / dtype !order !subok !shape !device")

FUNCTIONS: dict[str, tuple[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "all": ("all", TRUTH),
    "amax": ("max", EXTREME),
    "amin": ("min", EXTREME),
    "any": ("any", TRUTH),
    "argmax": ("argmax", CHOICE),
    "argmin": ("argmin", CHOICE),
    "argsort": ("argsort", ORDER),
    "around": ("round", _parameters("x / !decimals !out")),
    "broadcast_to": ("broadcast_to", _parameters("x shape / !subok")),
    "concatenate": ("concat", JOIN),
    "copy": ("positive", _parameters("x / !order !subok")),
    "cross": ("cross", _parameters("a b / !axisa !axisb !axisc axis")),
    "cumprod": ("cumulative_prod", RUNNING),
    "cumsum": ("cumulative_sum", RUNNING),
    "cumulative_prod": ("cumulative_prod", _parameters("x / axis !dtype !out include_initial")),
    "cumulative_sum": ("cumulative_sum", _parameters("x / axis !dtype !out include_initial")),
    "diag": ("diag", _parameters("x / k")),
    "diagonal": ("diagonal", _parameters("x / offset axis1 axis2")),
    "empty_like": ("empty_like", LIKE),
    "expand_dims": ("expand_dims", _parameters("x / axis")),
    "flip": ("flip", _parameters("x / axis")),
    "full_like": ("full_like", _parameters("x fill_value / dtype !order !subok !shape !device")),
    "imag": ("imag", _parameters("x /")),
    "matrix_transpose": ("matrix_transpose", _parameters("x /")),
    "max": ("max", EXTREME),
    "mean": ("mean", _parameters("x / axis !dtype !out keepdims !where")),
    "min": ("min", EXTREME),
    "moveaxis": ("moveaxis", _parameters("x source destination /")),
    "nan_to_num": ("nan_to_num", _parameters("x / !copy nan posinf neginf")),
    "ones_like": ("ones_like", LIKE),
    "outer": ("outer", _parameters("a b / !out")),
    "pad": ("pad", _parameters("x pad_width / !mode constant_values")),
    "prod": ("prod", REDUCTION),
    "real": ("real", _parameters("x /")),
    "repeat": ("repeat", _parameters("x repeats / axis")),
    "reshape": ("reshape", _parameters("x shape / !order !copy")),
    "roll": ("roll", _parameters("x shift / axis")),
    "round": ("round", _parameters("x / !decimals !out")),
    "searchsorted": ("searchsorted", _parameters("x v / side sorter")),
    "sort": ("sort", ORDER),
    "split": ("split", _parameters("x indices / axis")),
    "squeeze": ("squeeze", _parameters("x / axis")),
    "stack": ("stack", JOIN),
    "std": ("std", MOMENT),
    "sum": ("sum", _parameters("x / axis dtype !out keepdims !initial !where")),
    "swapaxes": ("swapaxes", _parameters("x axis1 axis2 /")),
    "take": ("take", _parameters("x indices / axis !out !mode")),
    "take_along_axis": ("take_along_axis", _parameters("x indices / axis")),
    "tensordot": ("tensordot", _parameters("a b / axes")),
    "tile": ("tile", _parameters("x reps /")),
    "trace": ("trace", _parameters("x / offset !axis1 !axis2 !dtype !out")),
    "tril": ("tril", _parameters("x / k")),
    "triu": ("triu", _parameters("x / k")),
    "unstack": ("unstack", _parameters("x / axis")),
    "var": ("var", MOMENT),
    "where": ("where", _parameters("condition x y /")),
    "zeros_like": ("zeros_like", LIKE),
}

# What an option that is refused may nevertheless be given as, besides None.
DEFAULTS: dict[str, tuple[Any, ...]] = {
    "casting": ("same_kind",),
    "copy": (True,),
    "decimals": (0,),
    "device": ("cpu",),
    "mode": ("raise", "constant"),
    "order": ("C", "K"),
    "subok": (True, False),
    "where": (True,),
}


def _ravel(x: Any, order: str = "C") -> Any:
    if order != "C":
        raise TypeError(f"np.ravel: order={order!r} is not supported for tensors; use pullback.reshape")
    return _counterpart("reshape")(x, (-1,)) if x.size else _counterpart("reshape")(x, (0,))


def _transpose(a: Any, axes: Sequence[int] | None = None) -> Any:
    return _counterpart("permute_dims")(a, tuple(reversed(range(ndim_of(a)))) if axes is None else axes)


def _clip(a: Any, a_min: Any = None, a_max: Any = None, out: None = None, *, min: Any = None, max: Any = None) -> Any:
    if out is not None:
        raise TypeError("np.clip: out= is not supported for tensors; use pullback.clip")
    return _counterpart("clip")(a, a_min if min is None else min, a_max if max is None else max)


def _dot(a: Any, b: Any) -> Any:
    if ndim_of(a) == 0 or ndim_of(b) == 0:
        return _counterpart("multiply")(a, b)
    if ndim_of(b) > 2:
        raise TypeError(f"np.dot of shapes {shape_of(a)} and {shape_of(b)}: use pullback.matmul or pullback.tensordot")
    return _counterpart("matmul")(a, b)


REWRITTEN: dict[str, Callable[..., Any]] = {
    "broadcast_arrays": lambda *arrays: tuple(_counterpart("broadcast_arrays")(*arrays)),
    "clip": _clip,
    "dot": _dot,
    "einsum": lambda *operands, optimize=True: _counterpart("einsum")(*operands),
    "meshgrid": lambda *arrays, **kwargs: _counterpart("meshgrid")(*arrays, **kwargs),
    "ndim": ndim_of,
    "ravel": _ravel,
    "shape": shape_of,
    "size": lambda a, axis=None: spec_of(a).size if axis is None else shape_of(a)[axis],
    "transpose": _transpose,
}

# Questions about values that no gradient belongs to: answered by NumPy, on the numbers.
# fmt: off
QUESTIONS = frozenset(
    {
        "allclose", "array2string", "array_equal", "array_equiv", "array_repr", "array_str", "can_cast",
        "count_nonzero", "iscomplexobj", "isclose", "isrealobj", "may_share_memory", "nonzero",
        "result_type", "save", "savetxt", "savez", "shares_memory",
    }
)
# fmt: on


def function_call(function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Run the mapping that a NumPy function stands for: `np.mean(t, axis=0)`, `np.concatenate([a, t])`.

    Functions that only ask about values (`np.allclose`, `np.count_nonzero`) are answered on the numbers. Raises
    TypeError for options without a counterpart (`out=`, `where=`, …), and for a function without one.
    """
    name = function.__name__
    module = function.__module__ or ""
    shown = f"{module.replace('numpy', 'np', 1)}.{name}"
    if module == "numpy.linalg":
        found = linalg_call(_counterpart, name, args, kwargs)
        if found is None:
            raise _refused(shown, None)
        return found
    if module != "numpy":
        raise _refused(shown, None)
    if name in QUESTIONS:
        return function(*tree.map(_numbers, tuple(args)), **tree.map(_numbers, dict(kwargs)))
    if name in REWRITTEN:
        return REWRITTEN[name](*args, **kwargs)
    if name not in FUNCTIONS:
        raise _refused(shown, _known(name))
    target_name, parameters = FUNCTIONS[name]
    return _run(shown, parameters, target_name, args, kwargs)


def _run(
    shown: str,
    parameters: tuple[tuple[str, ...], tuple[str, ...]],
    target: str,
    args: Sequence[Any],
    kwargs: dict[str, Any],
) -> Any:
    """Call `pullback.<target>` with the arguments of a NumPy call, put where they belong."""
    function = _lookup(target)
    if function is None:
        raise _refused(shown, None)
    leading, rest = parameters
    if len(args) < len(leading):
        args, kwargs = _collected(shown, leading, args, kwargs)
    if len(args) > len(leading) + len(rest):
        raise TypeError(f"{shown}: too many arguments for a tensor; use pullback.{target}")
    named = dict(zip((p.lstrip("!").partition("=")[0] for p in rest), args[len(leading) :], strict=False)) | dict(
        kwargs
    )
    known = {p.lstrip("!").partition("=")[0]: p for p in rest}
    passed = {}
    for option, given in named.items():
        parameter = known.get(option, "!")
        if given is np._NoValue or parameter.startswith("!"):
            if given is not np._NoValue and not _is_default(option, given):
                value = given if given.__class__ in (int, float, bool, str) else ""
                raise TypeError(f"{shown}: {option}={value} is not supported for tensors; use pullback.{target}")
            continue
        passed[parameter.partition("=")[2] or option] = given
    return function(*args[: len(leading)], **passed)


def _collected(
    shown: str, leading: Sequence[str], args: Sequence[Any], kwargs: dict[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Take leading arguments that came by keyword (`np.reshape(t, shape=…)`) into their places."""
    rest = dict(kwargs)
    taken = list(args)
    for parameter in leading[len(args) :]:
        given = next((n for n in (parameter, *SYNONYMS.get(parameter, ())) if n in rest), None)
        if given is None:
            raise TypeError(f"{shown}: the argument {parameter!r} is missing")
        taken.append(rest.pop(given))
    return taken, rest


SYNONYMS = {
    "x": ("a", "m", "arr", "array", "ary", "v"),
    "arrays": ("seq", "tup"),
    "shape": ("newshape",),
    "indices": ("indices_or_sections",),
    "reps": ("A",),
}


def _is_default(option: str, given: Any) -> bool:
    return given is None or (given.__class__ in (bool, int, str) and given in DEFAULTS.get(option, ()))


def _lookup(target: str) -> Any:
    """Return the object of that dotted name in the `pullback` namespace, or None."""
    import pullback

    found: Any = pullback
    for part in target.split("."):
        found = getattr(found, part, None)
    return found if callable(found) else None


def _counterpart(target: str) -> Any:
    function = _lookup(target)
    if function is None:
        raise _refused(f"the NumPy function that stands for pullback.{target}", None)
    return function


def _known(name: str) -> str | None:
    return name if _lookup(name) is not None else None


def _refused(shown: str, instead: str | None) -> TypeError:
    use = f"use pullback.{instead}, " if instead else "compose it from functions of pullback, "
    return TypeError(
        f"{shown} has no mapping for tensors: {use}or leave the graph with np.asarray(t), which gets no gradient"
    )


def _numbers(x: Any) -> Any:
    return np.asarray(x) if isinstance(x, Value) else x
