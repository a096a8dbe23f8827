"""pullback: everything is a mapping, a network is a composition of mappings, and backpropagation is the
composition of their pullbacks in reverse."""

from . import nn, optim, random
from .core import memory
from .core.errors import *  # noqa: F403
from .core.spec import default_dtype, set_default_dtype
from .create import *  # noqa: F403
from .mappings import *  # noqa: F403
from .saving import load, load_metadata, save
from .tensor import Tensor, asarray, device, tensor, value
from .transforms import (
    checkpoint,
    enable_grad,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    no_grad,
    trace,
    value_and_grad,
    vjp,
    vmap,
)

memory.keep_freed()
from .user import mapping
