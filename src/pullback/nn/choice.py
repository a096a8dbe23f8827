"""Choosing parameters: by a pattern of their paths, by a function, by the kind of module they belong to."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from .parameter import Parameter

if TYPE_CHECKING:
    from .module import Module

__all__ = ["Where", "parameter_groups"]

Where = str | type | Callable[[str, Parameter], Any]
"""A pattern of paths ("*.bias", "encoder.*"), a class of modules (nn.LayerNorm), a function of path and parameter."""


def fits(where: Where | None) -> Callable[[str, Parameter, Module], bool]:
    """Return the function (path, parameter, its module) ↦ whether the parameter is meant. Raises TypeError."""
    if where is None:
        return lambda path, parameter, owner: True
    if isinstance(where, str):
        return lambda path, parameter, owner: fnmatchcase(path, where)
    if isinstance(where, type):
        return lambda path, parameter, owner: isinstance(owner, where)
    if callable(where):
        return lambda path, parameter, owner: bool(where(path, parameter))
    raise TypeError(
        f"where: expected a pattern such as '*.bias', a class of modules such as nn.LayerNorm, or a function of path "
        f"and parameter, got {type(where).__name__}"
    )


def parameter_groups(module: Module, *groups: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the parameters of a module in groups with settings of their own, as an optimiser takes them.

    Each group is a dict with the settings, and under `"where"` which parameters are meant: a pattern of
    paths ("*.bias"), a class of modules (nn.LayerNorm) or a function of path and parameter; without it, all
    that are left. A parameter belongs to the first group that means it. Raises ValueError for a group that
    nothing belongs to, and when a parameter belongs to no group.

    >>> import pullback as pb
    >>> net = pb.nn.Sequential(pb.nn.Linear(4, 3), pb.nn.LayerNorm(3))
    >>> groups = pb.nn.parameter_groups(
    ...     net,
    ...     {"where": pb.nn.LayerNorm, "weight_decay": 0.0},
    ...     {"where": "*.bias", "weight_decay": 0.0, "lr": 0.02},
    ...     {"weight_decay": 0.01},
    ... )
    >>> [len(group["params"]) for group in groups]
    [2, 1, 1]
    >>> optimiser = pb.optim.AdamW(groups, lr=0.01)
    """
    tests = [fits(group.get("where")) for group in groups]
    made: list[dict[str, Any]] = [
        {"params": [], **{name: x for name, x in group.items() if name != "where"}} for group in groups
    ]
    left = []
    for path, parameter, owner in module._owned(Parameter, "", True):
        place = next((i for i, test in enumerate(tests) if test(path, parameter, owner)), None)
        if place is None:
            left.append(path)
        else:
            made[place]["params"].append(parameter)
    if left:
        raise ValueError(
            f"parameter_groups: no group takes {', '.join(left)}.\n"
            f"  right:  a last group without 'where', which takes what is left"
        )
    for group, new in zip(groups, made, strict=True):
        if not new["params"]:
            raise ValueError(f"parameter_groups: no parameter is left for the group {group!r}")
    return made
