"""What a command explains or draws: an expression at some numbers, or the loss of a trained run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np

from .. import nn
from ..glass.expression import CONSTANTS, Expression, ExpressionError, functions, parse_expression
from ..glass.language import text
from ..glass.typed import Place, call_at
from ..tensor import Tensor, tensor
from ..train.runs import CONFIG, load_run
from ..transforms import keep_values
from .options import OneOf, Whole, option
from .sources import read_again
from .words import words_of

__all__ = ["Element", "Program", "program_options", "read_program"]

MOST_ELEMENTS = 1000
MOST_CHARACTERS = 20_000
GIVEN = re.compile(r"\s*([^\W\d]\w*)\s*=(.+)", re.DOTALL)
ELEMENT = re.compile(r"\s*([^\[\]]+?)\s*(?:\[([-\d,\s]*)\])?\s*")


@dataclass(frozen=True)
class Element:
    """A leaf of a program, or one element of it."""

    name: str
    index: tuple[int, ...] | None


@dataclass
class Program:
    """A number computed from named leaves, which can be computed again after a leaf was changed.

    ``result``: the number's name. ``compute``: the number, recorded on the tape.
    """

    title: str
    result: str
    leaves: dict[str, Tensor]
    compute: Callable[[], Tensor]
    lang: str
    constants: dict[str, Tensor] = field(default_factory=dict)

    def value(self) -> Tensor:
        """The number with its graph, every value in it, and the gradients of the leaves in their `.grad`."""
        for leaf in self.leaves.values():
            leaf.grad = None
        with keep_values():
            value = self.compute()
        if value.requires_grad:
            value.backward(retain_graph=True)
        return value

    def names(self, value: Tensor) -> dict[str, Tensor]:
        """What the leaves, the constants and the result are called."""
        return {**self.constants, **self.leaves, self.result: value}

    def change(self, name: str, index: tuple[int, ...], value: float) -> None:
        """Set an element of a leaf or a constant.

        Raises KeyError for a name that there is not, IndexError for an element, ExpressionError for a label that is
        no whole number.
        """
        tensor = self.given(name)
        if len(index) != tensor.ndim:
            raise IndexError(index)
        changed = tensor.numpy().copy()
        if changed.dtype.kind != "f" and value != int(value):
            raise ExpressionError(text("command.whole", self.lang, name=name, value=value))
        changed[index] = value
        tensor.assign_(changed)

    def given(self, name: str) -> Tensor:
        """The leaf or constant of this name. Raises KeyError where there is none."""
        return self.leaves[name] if name in self.leaves else self.constants[name]

    def elements(self, wanted: Iterable[str]) -> list[Element]:
        """The leaves and elements that are asked for, such as ``x`` and ``w[0, 2]``; all leaves for nothing."""
        return [self._element(one) for one in wanted] or [Element(name, None) for name in self.leaves]

    def _element(self, wanted: str) -> Element:
        match = ELEMENT.fullmatch(wanted)
        if match is None or match[1] not in self.leaves:
            raise ExpressionError(text("command.wrt", self.lang, name=wanted, names=", ".join(self.leaves)))
        if match[2] is None:
            return Element(match[1], None)
        shape = self.leaves[match[1]].shape
        try:
            index = tuple(map(int, match[2].split(","))) if match[2].strip() else ()
        except ValueError:
            index = (0,) * (len(shape) + 1)
        if len(index) != len(shape) or not all(-n <= i < n for i, n in zip(index, shape, strict=True)):
            raise ExpressionError(text("command.index", self.lang, element=wanted, shape=list(shape)))
        return Element(match[1], tuple(i % n for i, n in zip(index, shape, strict=True)))


def program_options(function: Any) -> Any:
    """The argument and the options that say which program is meant."""
    for declare in (
        option("--items", type=Whole(min=1), metavar="N"),
        option("--dtype", type=OneOf(["float64", "float32"])),
        option("--at", multiple=True, metavar="NAME=VALUE"),
        click.argument("what", metavar="EXPR|RUN"),
    ):
        function = declare(function)
    return function


def read_program(what: str, at: Iterable[str], *, dtype: str | None, items: int | None, lang: str) -> Program:
    """Return what ``what`` names: the run in that folder, or else the expression, with the values in ``at``.

    ``at``: texts such as ``x=1`` and ``w=[[1, 2], [3, 4]]``. ``dtype``: of an expression's values, float64 if
    None. ``items``: how many training items of a run make its batch.

    Raises ExpressionError for what is neither, OSError and ValueError for a run that cannot be read.
    """
    at = list(at)
    if _is_folder(what):
        for option, given in (("--at", at), ("--dtype", dtype)):
            if given:
                raise ExpressionError(text("command.run_option", lang, option=option))
        return _read_run(Path(what), items, lang)
    if items is not None:
        raise ExpressionError(text("command.expression_option", lang, option="--items", folder=what))
    return _read_expression(what, at, dtype or "float64", lang)


def _is_folder(what: str) -> bool:
    try:
        return Path(what).is_dir()
    except OSError:  # longer than any name of a file
        return False


# ---------------------------------------------------------------------------------------- an expression


def _read_expression(what: str, at: list[str], dtype: str, lang: str) -> Program:
    expression = parse_expression(what, lang)
    values = dict(_read_value(given, dtype, lang) for given in at)
    if len(values) < len(at):
        raise ExpressionError(text("command.twice", lang))
    if unused := [name for name in values if name not in (*expression.names, *CONSTANTS)]:
        names = ", ".join(expression.names)
        raise ExpressionError(text("command.unused", lang, name=unused[0], names=names))
    if not at and ("/" in what or "\\" in what):
        raise ExpressionError(text("command.no_folder", lang, folder=what, name=expression.names[0]))
    leaves = {name: tensor(value, requires_grad=True) for name, value in values.items()}
    result = next(name for name in ("f", "result", "f_") if name not in leaves)
    return Program(expression.text, result, leaves, lambda: _scalar(expression, leaves, lang), lang)


def _scalar(expression: Expression, leaves: dict[str, Tensor], lang: str) -> Tensor:
    value: Tensor = expression.evaluate(leaves)
    if value.shape != ():
        raise ExpressionError(text("command.array", lang, shape=list(value.shape), expression=expression.text))
    return value


def _read_value(given: str, dtype: str, lang: str) -> tuple[str, Any]:
    match = GIVEN.fullmatch(given)
    if match is None or len(given) > MOST_CHARACTERS:
        raise ExpressionError(text("command.at", lang, given=given[:40]))
    name = match[1]
    if name in functions():
        raise ExpressionError(text("command.taken", lang, name=name))
    try:
        with np.errstate(over="ignore"):
            value = np.asarray(_numbers(match[2]), dtype=dtype)
    except (ValueError, TypeError, RecursionError):
        raise ExpressionError(text("command.value", lang, name=name, value=match[2].strip()[:40])) from None
    if not np.isfinite(value).all():
        raise ExpressionError(text("command.finite", lang, name=name, dtype=dtype))
    if value.size > MOST_ELEMENTS or value.ndim > 8:
        raise ExpressionError(text("command.size", lang, name=name, count=value.size, most=MOST_ELEMENTS))
    return name, value


def _numbers(shown: str) -> Any:
    """A number as Python writes it, or lists of numbers as JSON writes them."""
    if "[" in shown:
        return json.loads(shown, parse_int=float, parse_constant=_refuse)
    return float(shown)


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


# ----------------------------------------------------------------------------------------------- a run


def _read_run(folder: Path, items: int | None, lang: str) -> Program:
    run = load_run(folder)
    source = read_again(run.config, words_of(lang), str(folder / CONFIG))
    features, targets = source.train
    count = min(items or run.config["training"].get("batch_size", 64), len(features))
    x = tensor(features[:count], requires_grad=True)
    y = tensor(targets[:count])
    loss = nn.MSELoss() if source.classes is None else nn.CrossEntropyLoss()
    leaves = {**dict(run.model.named_parameters()), "x": x}
    name = "target" if source.classes is None else "labels"
    title = str(folder)

    def compute() -> Tensor:
        value: Tensor = call_at(Place(title, 0, title), lambda: loss(run.model(x), y), (), {})
        return value

    return Program(title, "loss", leaves, compute, lang, {name: y})
