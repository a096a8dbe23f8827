"""pullback: backpropagation as a glass box.

Everything is a mapping, a network is a composition of mappings, and backpropagation is the composition of
their pullbacks in reverse.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .control import cond, fori_loop, map, scan, while_loop
from .core import memory
from .core.errors import *
from .core.spec import default_dtype, set_default_dtype
from .create import *
from .dtypes import *
from .mappings import *
from .tensor import Tensor, asarray, device, tensor, value
from .transforms import (
    checkpoint,
    enable_grad,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    keep_values,
    no_grad,
    trace,
    value_and_grad,
    vjp,
    vmap,
)
from .user import mapping

if TYPE_CHECKING:
    from . import data, nn, optim, random, testing, train
    from .glass.explain import explain
    from .glass.graph import graph
    from .saving import load, save
    from .threads import get_num_threads, set_num_threads

__version__ = "0.1.0"

memory.keep_freed()

_LAZY = {name: name for name in ("data", "nn", "optim", "random", "testing", "train")} | {
    "explain": "glass.explain",
    "get_num_threads": "threads",
    "graph": "glass.graph",
    "load": "saving",
    "save": "saving",
    "set_num_threads": "threads",
}


def __getattr__(name: str) -> Any:
    """Import a part of the package when it is first asked for."""
    if name in _LAZY:
        module = importlib.import_module(f"{__name__}.{_LAZY[name]}")
        return module if name == _LAZY[name] else getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
