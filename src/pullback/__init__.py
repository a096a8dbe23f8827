"""pullback: backpropagation as a glass box.

Everything is a mapping, a network is a composition of mappings, and backpropagation is the composition of
their pullbacks in reverse.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

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
    from . import data, distributions, keras, metrics, nn, optim, random, sklearn, testing, train
    from .compile.compiled import compile
    from .control.cond import cond
    from .control.scan import fori_loop, map, scan
    from .control.while_loop import while_loop
    from .glass.explain import explain
    from .glass.graph import graph
    from .mappings.conv import *
    from .mappings.embedding import embedding
    from .mappings.pool import *
    from .saving import load, save
    from .threads import get_num_threads, set_num_threads

__version__ = "0.1.0"

memory.keep_freed()

_LAZY = {
    name: module
    for module, names in {
        "compile.compiled": "compile",
        "control": "cond fori_loop map scan while_loop",
        "data": "data",
        "distributions": "distributions",
        "glass.explain": "explain",
        "glass.graph": "graph",
        "mappings.conv": "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d",
        "mappings.embedding": "embedding",
        "mappings.pool": "max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d lp_pool1d lp_pool2d "
        "lp_pool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d "
        "adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d",
        "keras": "keras",
        "metrics": "metrics",
        "nn": "nn",
        "optim": "optim",
        "random": "random",
        "saving": "load save",
        "sklearn": "sklearn",
        "testing": "testing",
        "threads": "get_num_threads set_num_threads",
        "train": "train",
    }.items()
    for name in names.split()
}


def __getattr__(name: str) -> Any:
    """Import a part of the package when it is first asked for."""
    if name in _LAZY:
        module = importlib.import_module(f"{__name__}.{_LAZY[name]}")
        found = module if name == _LAZY[name] else getattr(module, name)
        globals()[name] = found
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
