"""summary: the layers of a model with shapes, parameters, operations and memory for a given input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core import tree
from ..core.spec import Spec, default_dtype, shape_of, spec_of
from ..core.value import Value
from ..transforms.tally import Tally, tally
from .module import Module
from .parameter import Parameter

__all__ = ["Row", "Summary", "summary"]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Row:
    """One module: its own parameters and operations, without those of the modules inside it.

    `inputs` and `outputs` are the shapes at the first call; a module that ran more often did the `flops` of
    all `calls` together. A parameter that is used in several places counts where it was met first.
    """

    path: str
    kind: str
    depth: int
    calls: int
    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...]
    parameters: int
    trainable: int
    flops: int


@dataclass(frozen=True)
class Summary:
    """A model and what it does with one input; `print` it to see the table.

    `flops`: the operations of the way forward; a product and a sum are two, every other function of a number
    is one. Bytes: of all `parameter_bytes`, `buffer_bytes`, `input_bytes`, of the gradients of what is
    trained (`gradient_bytes`), and of what a graph keeps for the way back (`kept_bytes`). `uncounted`: the
    mappings that do not say how much they do, and are missing in `flops`.
    """

    rows: tuple[Row, ...]
    parameters: int
    trainable: int
    flops: int
    parameter_bytes: int
    buffer_bytes: int
    gradient_bytes: int
    input_bytes: int
    kept_bytes: int
    uncounted: tuple[str, ...]

    @property
    def training_bytes(self) -> int:
        """What a training step holds at least, without the slots of the optimiser."""
        return sum((self.parameter_bytes, self.buffer_bytes, self.gradient_bytes, self.input_bytes, self.kept_bytes))

    def __str__(self) -> str:
        header = ("layer", "input", "output", "parameters", "FLOPs")
        lines = [header, *(_cells(row) for row in self.rows)]
        widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
        rule = "─" * (sum(widths) + 3 * (len(widths) - 1))
        shown = [_line(line, widths) for line in lines]
        frozen = self.parameters - self.trainable
        parts = [
            f"{name} {_bytes(n)}"
            for name, n in (
                ("parameters", self.parameter_bytes),
                ("gradients", self.gradient_bytes),
                ("buffers", self.buffer_bytes),
                ("input", self.input_bytes),
                ("kept for the way back", self.kept_bytes),
            )
            if n
        ]
        notes = [
            f"parameters  {self.parameters:,}" + (f" ({frozen:,} of them frozen)" if frozen else ""),
            f"FLOPs       {self.flops:,} forward ({_short(self.flops)})",
            f"memory      {_bytes(self.training_bytes)} in training: {', '.join(parts)}",
        ]
        if self.uncounted:
            notes.append(f"not counted {', '.join(self.uncounted)}")
        return "\n".join([shown[0], rule, *shown[1:], rule, *notes])

    __repr__ = __str__


def summary(model: Module, *inputs: Any, dtype: Any = None, depth: int | None = None, **kwargs: Any) -> Summary:
    """Return what `model(*inputs, **kwargs)` would do: a row per module with shapes, parameters and FLOPs.

    Each input is an array, or a shape (a tuple of integers), which stands for an array of `dtype` (None: the
    dtype of the parameters). Only shapes are looked at: nothing is computed, no running statistic and no
    random counter moves. `depth`: modules nested deeper are counted with the one that holds them. Raises
    what the model raises for inputs that do not fit, and TraceError when it branches on numbers.

    >>> import pullback as pb
    >>> net = pb.nn.Sequential(pb.nn.Linear(4, 8), pb.nn.ReLU(), pb.nn.Linear(8, 2))
    >>> print(pb.nn.summary(net, (3, 4)))
    layer         input    output   parameters   FLOPs
    ──────────────────────────────────────────────────
    Sequential    (3, 4)   (3, 2)
      0: Linear   (3, 4)   (3, 8)           40     216
      1: ReLU     (3, 8)   (3, 8)                   24
      2: Linear   (3, 8)   (3, 2)           18     102
    ──────────────────────────────────────────────────
    parameters  58
    FLOPs       342 forward (342)
    memory      608 B in training: parameters 232 B, gradients 232 B, input 48 B, kept for the way back 96 B
    """
    if not inputs and not kwargs:
        raise TypeError(
            "summary: an input or its shape is needed.\n"
            "  wrong:  nn.summary(net)\n  right:  nn.summary(net, (32, 784)), or nn.summary(net, x)"
        )
    weights = list(model.parameters())
    own = next((p.dtype for p in weights if p.dtype.kind == "f"), default_dtype())
    dtype = own if dtype is None else np.dtype(dtype)
    given = [_given(x, dtype) for x in inputs]
    named = {name: _given(x, dtype) for name, x in kwargs.items()}
    calls: dict[int, list[tuple[tuple[Shape, ...], tuple[Shape, ...]]]] = {}

    def note(module: Module, args: tuple[Any, ...], y: Any) -> None:
        calls.setdefault(id(module), []).append((_shapes(args), _shapes(y)))

    removers = [module.register_forward_hook(note) for module in model.modules()]
    try:
        _, level = tally(model, given, named)
    finally:
        for remove in removers:
            remove()
    rows = _rows(model, level, calls, depth)
    works = level.works()
    specs = [spec_of(x) for x in [*given, *named.values()] if isinstance(x, Spec | np.ndarray | Value)]
    return Summary(
        tuple(rows),
        sum(p.size for p in weights),
        sum(p.size for p in weights if p.requires_grad),
        sum(work.flops or 0 for work in works),
        _size(weights),
        _size(list(model.buffers())),
        _size([p for p in weights if p.requires_grad]),
        sum(s.size * s.dtype.itemsize for s in specs),
        level.kept(),
        tuple(dict.fromkeys(work.mapping.name for work in works if work.flops is None)),
    )


def _given(x: Any, dtype: Any) -> Any:
    """An input as `tally` takes it: a tuple of integers is a shape."""
    if isinstance(x, tuple) and all(isinstance(n, int | np.integer) for n in x):
        return Spec(tuple(map(int, x)), dtype)
    return x


def _shapes(x: Any) -> tuple[Shape, ...]:
    return tuple(shape_of(leaf) for leaf in tree.leaves(x) if isinstance(leaf, Value | np.ndarray | np.generic))


def _size(leaves: Sequence[Any]) -> int:
    return sum(x.size * x.dtype.itemsize for x in leaves)


def _rows(model: Module, level: Tally, calls: dict[int, Any], depth: int | None) -> list[Row]:
    tree_of = list(model.named_modules())
    levels = {id(module): path.count(".") + 1 if path else 0 for path, module in tree_of}
    shown = [(path, module) for path, module in tree_of if depth is None or levels[id(module)] <= depth]
    holder: dict[int, int] = {}  # of each module the innermost one with a row
    for path, module in tree_of:
        above = [m for p, m in shown if not p or path == p or path.startswith(p + ".")]
        holder[id(module)] = id(above[-1])
    work = dict.fromkeys(holder, 0)
    for done in level.works():
        at = next((holder[id(m)] for m in reversed(done.scope) if id(m) in holder), id(model))
        work[at] += done.flops or 0
    sizes = dict.fromkeys(holder, 0)
    trained = dict.fromkeys(holder, 0)
    for _, parameter, owner in model._owned(Parameter, "", True):
        sizes[holder[id(owner)]] += parameter.size
        trained[holder[id(owner)]] += parameter.size if parameter.requires_grad else 0
    rows = []
    for path, module in shown:
        seen = calls.get(id(module), [])
        inputs, outputs = seen[0] if seen else ((), ())
        rows.append(
            Row(
                path,
                type(module).__name__,
                levels[id(module)],
                len(seen),
                inputs,
                outputs,
                sizes[id(module)],
                trained[id(module)],
                work[id(module)],
            )
        )
    return rows


# ------------------------------------------------------------------------------------------- the table


def _cells(row: Row) -> tuple[str, ...]:
    name = row.path.rpartition(".")[2]
    label = (
        "  " * row.depth + (f"{name}: {row.kind}" if name else row.kind) + (f" ×{row.calls}" if row.calls > 1 else "")
    )
    return (
        label,
        ", ".join(map(str, row.inputs)),
        ", ".join(map(str, row.outputs)),
        f"{row.parameters:,}" if row.parameters else "",
        f"{row.flops:,}" if row.flops else "",
    )


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    left = [cell.ljust(width) for cell, width in zip(cells[:3], widths[:3], strict=True)]
    right = [cell.rjust(width) for cell, width in zip(cells[3:], widths[3:], strict=True)]
    return "   ".join([*left, *right]).rstrip()


def _short(n: float) -> str:
    for unit in ("", " thousand", " million", " billion"):
        if n < 1000:
            return f"{n:.3g}{unit}" if unit else f"{n}"
        n /= 1000
    return f"{n:.3g} trillion"


def _bytes(n: float) -> str:
    if n < 1024:
        return f"{int(n)} B"
    for unit in ("KiB", "MiB", "GiB"):
        n /= 1024
        if n < 1024:
            return f"{n:.1f} {unit}"
    return f"{n / 1024:.1f} TiB"
