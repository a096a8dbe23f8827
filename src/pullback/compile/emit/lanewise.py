"""The C library's mathematics, called for one lane after the other: where no own code is written."""

from __future__ import annotations

from collections.abc import Callable

from .function import Function
from .types import BOOL, Operand

__all__ = ["each", "with_exceptions"]


def each(f: Function, name: str, *xs: Operand) -> Operand:
    """Apply a function of the C library (`expm1`, `atan2`, …; in single precision its `f` variant) to every lane."""
    type = xs[0].type
    scalar = type.of(1)
    symbol = name + ("f" if type.kind == "float" else "")
    f.module.declare(f"declare {scalar} @{symbol}({', '.join([str(scalar)] * len(xs))})")
    if type.lanes == 1:
        return f.value(type, f"call {scalar} @{symbol}({', '.join(x.typed for x in xs)})")
    return f.value(type, f"call {type} @{_spread(f, symbol, xs)}({', '.join(x.typed for x in xs)})")


def _spread(f: Function, symbol: str, xs: tuple[Operand, ...]) -> str:
    """Return the name of a function of whole registers that calls `symbol` lane by lane; it is written once."""
    type = xs[0].type
    scalar = type.of(1)
    name = f"each.{symbol}.{type.suffix}"
    parameters = ", ".join(f"{type} %x{i}" for i in range(len(xs)))
    lines = [f"define internal {type} @{name}({parameters}) #1 {{"]
    total = "poison"
    for lane in range(type.lanes):
        for i in range(len(xs)):
            lines.append(f"  %a{lane}.{i} = extractelement {type} %x{i}, i64 {lane}")
        arguments = ", ".join(f"{scalar} %a{lane}.{i}" for i in range(len(xs)))
        lines.append(f"  %y{lane} = call {scalar} @{symbol}({arguments})")
        lines.append(f"  %z{lane} = insertelement {type} {total}, {scalar} %y{lane}, i64 {lane}")
        total = f"%z{lane}"
    f.module.table("\n".join([*lines, f"  ret {type} {total}", "}"]))
    return name


def with_exceptions(f: Function, usual: Operand, rare: Operand, instead: Callable[[], Operand]) -> Operand:
    """Return `usual`, and in the lanes where `rare` holds `instead()`, which runs only if there is such a lane."""
    any_lane = rare
    if rare.type.lanes > 1:
        name = f"@llvm.vector.reduce.or.v{rare.type.lanes}i1"
        f.module.declare(f"declare i1 {name}({rare.type})")
        any_lane = f.value(BOOL, f"call i1 {name}({rare.typed})")
    return f.either(any_lane, lambda: f.select(rare, instead(), usual), lambda: usual)
