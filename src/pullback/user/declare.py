"""Mappings of one's own: a NumPy function, and then the rule for its derivative.

A user's mapping is made by the same constructor as every mapping in the catalogue. What is added here is
the tolerance that a rule written in a hurry needs: shapes are checked, results that share memory with an
input are copied, and what was not declared is derived or refused with the code to write.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, overload

import numpy as np

from .. import mappings as m
from ..core import families, space
from ..core.errors import GradientError, ShapeError
from ..core.interpret import EVALUATE, interpreting
from ..core.mapping import Mapping, unsupported
from ..core.spec import Spec, dtype_of, shape_of, spec_of, stand_in
from ..core.value import Value
from .arrays import broadcast, guarded, parts, plain
from .forward import pushforward_by_transposing

__all__ = ["UserMapping", "mapping"]

Rule = Callable[..., Any]


@overload
def mapping(function: Rule) -> UserMapping: ...
@overload
def mapping(*, name: str | None = None, outputs: int | None = None, **facets: Any) -> Callable[[Rule], UserMapping]: ...
def mapping(function: Rule | None = None, *, name: str | None = None, outputs: int | None = None, **facets: Any) -> Any:
    """Make a mapping of a NumPy function; used as a decorator.

    Positional parameters of the function are arrays, keyword-only parameters are static. The function gets plain
    arrays, which it must not change. Then declare the derivative, in one of two ways:

    - `@f.derivative`, for a function that acts on each element by itself: `(*xs, y, **static)` returns ∂y/∂x. Of
      several arguments, `@f.derivative("x")` or `@f.derivative(0)` declares one at a time.
    - `@f.pullback`, for any function: `(g, y, *xs, **static)` returns the vector-Jacobian product, one cotangent
      per argument; None is a zero.

    A rule written with operators, pullback's functions or NumPy functions that have a mapping can be
    differentiated again. `f.check(*example)` proves the rule against finite differences.

    `outputs` is the number of arrays that the function returns as a tuple (None: one array). Further `facets` go
    to the constructor (`formula`, `words`, `kink`, `samples`, `differentiable=False`, …).

    >>> import pullback as pb
    >>> @pb.mapping
    ... def cube(x):
    ...     return x**3
    >>> @cube.derivative
    ... def _(x, y):
    ...     return 3 * x**2
    >>> x = pb.value(2.0)
    >>> cube(x).backward()
    >>> x.grad.item()
    12.0
    """
    if function is None:
        return functools.partial(UserMapping, name=name, outputs=outputs, **facets)
    return UserMapping(function, name=name, outputs=outputs, **facets)


class UserMapping:
    """What `pullback.mapping` returns: call it like the function, and declare its facets with its decorators.

    `mapping` is the `Mapping` that the interpreters see.
    """

    def __init__(
        self, function: Rule, *, name: str | None = None, outputs: int | None = None, **facets: Any
    ) -> None:
        functools.update_wrapper(self, function)
        self.__name__: str = function.__name__
        self.function = function
        self.signature = inspect.signature(function)
        parameters = self.signature.parameters.values()
        for p in parameters:
            if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
                raise TypeError(f"mapping: {function.__name__} has the parameter *{p.name}; name each parameter")
        self.arguments = tuple(p.name for p in parameters if p.kind is not p.KEYWORD_ONLY)
        if not self.arguments:
            raise TypeError(f"mapping: {function.__name__} has no positional parameter, so it maps nothing")
        self._plain_call = not any(p.kind is p.KEYWORD_ONLY for p in parameters)
        self.outputs = outputs
        self.derivatives: dict[int, Rule] = {}
        self.declared: set[str] = set()
        title = name or function.__name__
        shown = ", ".join(f"{{{argument}}}" for argument in self.arguments)
        defaults: dict[str, Any] = {
            "formula": rf"\operatorname{{{{{title}}}}}({shown})".replace("_", r"\_"),
            "words": f"{title} of {shown}",
            "lower": unsupported("a mapping of one's own runs as its NumPy function"),
            "onnx": unsupported("a mapping of one's own has no ONNX operator"),
            "doc": function.__doc__ or "",
        }
        if any("_" in argument for argument in self.arguments):
            defaults["formula"] = rf"\operatorname{{{{{title}}}}}".replace("_", r"\_") + f"({shown})"
        self.mapping = Mapping(
            title, "user", self._evaluate, arguments=self.arguments, outputs=outputs, **(defaults | facets)
        )
        self.mapping.spec = self._spec_by_trial
        self.mapping.batch = self._batch_by_loop
        self.mapping.pullback = self._no_rule
        self.mapping.pushforward = self._no_rule

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._plain_call and not kwargs and len(args) == len(self.arguments):
            return self.mapping(*args)
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        values = bound.arguments
        static = {key: value for key, value in values.items() if key not in self.arguments}
        for key, value in static.items():
            if isinstance(value, Value):
                raise TypeError(
                    f"{self.mapping.name}: {key} is keyword-only, which makes it a static parameter, but it was "
                    f"given a tensor. Make it a positional parameter if it is an array."
                )
        return self.mapping(*(values[argument] for argument in self.arguments), **static)

    def __repr__(self) -> str:
        return f"<mapping {self.mapping.name} of one's own>"

    # --------------------------------------------------------------------------------- declaring facets

    def pullback(self, rule: Rule) -> Rule:
        """Declare the vector-Jacobian product: `(g, y, *xs, **static)` returns one cotangent per argument.

        `g` has the shape of the value `y` (a tuple where there are several outputs). A cotangent has the shape of
        its argument; where arguments were broadcast, it may have that of the value, and is summed. None is zero.
        """
        rule_call = _static_filter(rule)

        def pullback(g: Any, y: Any, *xs: Any, needs: Any, **static: Any) -> list[Any]:
            return self._cotangents(rule_call, g, y, xs, static)

        self._declare("pullback", pullback)
        if "pushforward" not in self.declared and not self.derivatives:
            self.mapping.pushforward = functools.partial(pushforward_by_transposing, self.mapping)
        return rule

    def derivative(self, rule: Rule | int | str) -> Any:
        """Declare the local derivative of an elementwise function: `(*xs, y, **static)` returns ∂y/∂x.

        With several arguments, `derivative("x")` or `derivative(0)` returns the decorator for one of them.
        """
        if callable(rule):
            if len(self.arguments) != 1:
                raise TypeError(
                    f"{self.mapping.name}: there are several arguments, so say which one the derivative belongs to.\n"
                    f"  wrong:  @{self.__name__}.derivative\n"
                    f'  right:  @{self.__name__}.derivative("{self.arguments[0]}")'
                )
            return self._declare_derivative(0, rule)
        if rule in self.arguments:
            return functools.partial(self._declare_derivative, self.arguments.index(str(rule)))
        if isinstance(rule, int) and -len(self.arguments) <= rule < len(self.arguments):
            return functools.partial(self._declare_derivative, rule % len(self.arguments))
        raise ValueError(f"{self.mapping.name}: there is no argument {rule!r}; the arguments are {self.arguments}")

    def pushforward(self, rule: Rule) -> Rule:
        """Declare the Jacobian-vector product: `(ts, y, *xs, **static)` returns the tangent of the value.

        `ts` has one tangent per argument, zeros where there is none.
        """
        rule_call = _static_filter(rule)

        def pushforward(ts: Sequence[Any], y: Any, *xs: Any, **static: Any) -> Any:
            dense = tuple(space.zeros(x) if t is None else plain(t) for t, x in zip(ts, xs, strict=True))
            t = rule_call(dense, plain(y), *map(plain, xs), **static)
            for part, value in zip(parts(t), parts(y), strict=True):
                if shape_of(part) != shape_of(value):
                    raise ShapeError(
                        f"the pushforward rule of {self.mapping.name} returned a tangent of shape {shape_of(part)} "
                        f"for a value of shape {shape_of(value)}"
                    )
            return t

        self._declare("pushforward", pushforward)
        return rule

    def batch(self, rule: Rule) -> Rule:
        """Declare what vmap does: `(batched, xs, **static)` returns the value with the examples along axis 0.

        `batched[i]` says whether `xs[i]` has them there. Without a rule, vmap loops over the examples, unless
        the function was declared elementwise with `derivative`.
        """
        self._declare("batch", _static_filter(rule))
        return rule

    def spec(self, rule: Rule) -> Rule:
        """Declare shape and dtype of the value: `(*specs, **static)` returns `(shape, dtype)` or a `Spec`.

        Without a rule, the function is run on ones of the shapes in question when only the spec is asked for.
        """
        rule_call = _static_filter(rule)

        def spec(*specs: Spec, **static: Any) -> Any:
            said = rule_call(*specs, **static)
            if self.outputs is None:
                return _as_spec(said)
            return tuple(map(_as_spec, said))

        self._declare("spec", spec)
        return rule

    def check(self, *example: Any, **static: Any) -> Any:
        """Prove the rule against finite differences at an example, in float64, and return the report.

        Raises GradcheckError with the counterexample: the argument, the element, what the rule says, what the
        finite difference says, their ratio, and what the ratio looks like.

        >>> import pullback as pb
        >>> @pb.mapping
        ... def cube(x):
        ...     return x**3
        >>> @cube.derivative
        ... def _(x, y):
        ...     return 3 * x**2
        >>> print(cube.check(2.0))
        1 derivatives checked against finite differences: all agree, largest relative error ...
        """
        from ..testing.user_rules import check_rules

        return check_rules(self, example, static)

    # ------------------------------------------------------------------------------- what is derived

    def _evaluate(self, *xs: Any, **static: Any) -> Any:
        try:
            with interpreting(EVALUATE):
                y = self.function(*map(guarded, xs), **static)
        except ValueError as error:
            if "read-only" in str(error):
                error.add_note(f"{self.mapping.name}: a mapping must not change its inputs; copy first: x = x.copy()")
            raise
        if self.outputs is None:
            if isinstance(y, tuple):
                raise TypeError(
                    f"{self.mapping.name}: the function returned a tuple of {len(y)}.\n"
                    f"  wrong:  @pb.mapping\n  right:  @pb.mapping(outputs={len(y)})"
                )
            return self._settled(y, xs)
        if not isinstance(y, tuple) or len(y) != self.outputs:
            raise TypeError(f"{self.mapping.name}: expected a tuple of {self.outputs} arrays, got {type(y).__name__}")
        return tuple(self._settled(part, xs) for part in y)

    def _settled(self, y: Any, xs: Sequence[Any]) -> Any:
        a = np.asarray(y)
        if a.dtype.kind not in "biufc":
            raise TypeError(f"{self.mapping.name}: the function must return numbers, got {type(y).__name__}")
        if any(isinstance(x, np.ndarray) and np.may_share_memory(a, x) for x in xs):
            a = a.copy()
        return a[()]

    def _declare_derivative(self, i: int, rule: Rule) -> Rule:
        self.derivatives[i] = rule
        target = self.mapping
        target.derivative = tuple(self._local_derivative(k) for k in range(len(self.arguments)))
        derived = {
            "pullback": families.scaling_pullback(target),
            "pushforward": families.scaling_pushforward(target),
            "batch": lambda batched, xs, **static: target(*families.align(batched, xs), **static),
            "spec": self._broadcasting_spec,
        }
        for facet, facet_rule in derived.items():
            if facet not in self.declared:
                setattr(target, facet, facet_rule)
        return rule

    def _declare(self, facet: str, rule: Rule) -> None:
        self.declared.add(facet)
        setattr(self.mapping, facet, rule)

    def _local_derivative(self, i: int) -> Rule:
        argument = self.arguments[i]
        if i not in self.derivatives:

            def missing(*xs_and_y: Any, **static: Any) -> Any:
                raise GradientError(
                    f"{self.mapping.name}: no derivative with respect to {argument} is declared. Write\n"
                    f'  @{self.__name__}.derivative("{argument}")\n'
                    f"  def _({', '.join(self.arguments)}, {self._value_name}):\n"
                    f"      return ...  # the local derivative"
                )

            return missing
        rule_call = _static_filter(self.derivatives[i])

        def derivative(*xs_and_y: Any, **static: Any) -> Any:
            slope = rule_call(*map(plain, xs_and_y), **static)
            if slope is None:
                raise GradientError(f"the derivative of {self.mapping.name} with respect to {argument} returned None")
            if isinstance(slope, np.ndarray | list | tuple):
                slope = np.asarray(slope)[()]
            want, have = shape_of(xs_and_y[-1]), shape_of(slope)
            if have != want and (len(have) > len(want) or broadcast(have, want) != want):
                raise ShapeError(
                    f"the derivative of {self.mapping.name} with respect to {argument} has shape {have}, but the "
                    f"value has shape {want}. A derivative acts on each element by itself; for anything else declare "
                    f"@{self.__name__}.pullback"
                )
            return slope

        return derivative

    def _broadcasting_spec(self, *specs: Spec, **static: Any) -> Spec:
        probe = self._evaluate(*(stand_in(Spec((), s.dtype, s.weak)) for s in specs), **static)
        return Spec(families.broadcast_shapes(self.mapping, specs), np.asarray(probe).dtype)

    def _spec_by_trial(self, *specs: Spec, **static: Any) -> Any:
        y = self._evaluate(*(stand_in(s, s.shape) for s in specs), **static)
        return tuple(map(spec_of, y)) if isinstance(y, tuple) else spec_of(y)

    def _batch_by_loop(self, batched: Sequence[bool], xs: Sequence[Any], **static: Any) -> Any:
        size = next(shape_of(x)[0] for x, is_batched in zip(xs, batched, strict=True) if is_batched)
        if size == 0:
            specs = [spec_of(x) for x in xs]
            one = [Spec(s.shape[1:], s.dtype) if b else s for s, b in zip(specs, batched, strict=True)]
            assert self.mapping.spec is not None
            ys = self.mapping.spec(*one, **static)
            empty = tuple(np.zeros((0, *s.shape), s.dtype) for s in parts(ys))
            return empty if self.outputs is not None else empty[0]
        results = [
            self.mapping(
                *(m.getitem(x, k) if is_batched else x for x, is_batched in zip(xs, batched, strict=True)), **static
            )
            for k in range(size)
        ]
        if self.outputs is None:
            return m.stack(results)
        return tuple(m.stack(list(column)) for column in zip(*results, strict=True))

    def _no_rule(self, *args: Any, **static: Any) -> Any:
        raise GradientError(self._how_to_declare())

    def _how_to_declare(self) -> str:
        name, xs, y = self.__name__, ", ".join(self.arguments), self._value_name
        one = f"@{name}.derivative" + ("" if len(self.arguments) == 1 else f'("{self.arguments[0]}")')
        cotangents = ", ".join(f"g * ...  # to {a}" if len(self.arguments) == 1 else "g * ..." for a in self.arguments)
        return (
            f"{self.mapping.name}: a gradient was asked for, but no derivative is declared.\n"
            f"If it acts on each element by itself, write\n"
            f"  {one}\n  def _({xs}, {y}):\n      return ...  # the local derivative\n"
            f"and otherwise\n"
            f"  @{name}.pullback\n  def _(g, {y}, {xs}):\n      return {cotangents}"
        )

    @property
    def _value_name(self) -> str:
        return "y" if "y" not in self.arguments else "out"

    def _cotangents(self, rule: Rule, g: Any, y: Any, xs: Sequence[Any], static: dict[str, Any]) -> list[Any]:
        """Run a pullback rule and check what it returns."""
        name = self.mapping.name
        if self.outputs is not None:
            g = tuple(space.zeros(part) if h is None else plain(h) for h, part in zip(g, y, strict=True))
        given = [plain(x) for x in xs]
        seed, value = plain(g), plain(y)
        returned = rule(seed, value, *given, **static)
        gs = list(returned) if isinstance(returned, tuple | list) else [returned]
        if len(gs) != len(xs):
            raise ShapeError(
                f"the pullback rule of {name} must return one cotangent per argument ({', '.join(self.arguments)}), "
                f"which makes {len(xs)}; it returned {len(gs)}. None stands for a zero"
            )
        others = [*given, *parts(seed), *parts(value)]
        return [
            None if h is None else self._cotangent(argument, h, x, others)
            for argument, h, x in zip(self.arguments, gs, xs, strict=True)
        ]

    def _cotangent(self, argument: str, h: Any, x: Any, others: Sequence[Any]) -> Any:
        if not isinstance(h, Value):
            h = np.asarray(h)[()]
        if dtype_of(h).kind not in "biuf":
            raise TypeError(f"the pullback rule of {self.mapping.name} returned a {dtype_of(h)} for {argument}")
        have, want = shape_of(h), shape_of(x)
        if have != want and broadcast(want, have) != have:
            raise ShapeError(
                f"the pullback rule of {self.mapping.name} returned a cotangent of shape {have} for {argument}, "
                f"which has shape {want}. A cotangent has the shape of its argument"
            )
        if isinstance(h, np.ndarray) and any(isinstance(o, np.ndarray) and np.may_share_memory(h, o) for o in others):
            h = h.copy()
        return h


def _static_filter(rule: Rule) -> Rule:
    """Return the rule called with those static parameters only that it names."""
    parameters = inspect.signature(rule).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return rule
    named = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}
    return lambda *xs, **static: rule(*xs, **{key: value for key, value in static.items() if key in named})


def _as_spec(said: Any) -> Spec:
    if isinstance(said, Spec):
        return said
    shape, dtype = said
    return Spec(tuple(shape), np.dtype(dtype))
