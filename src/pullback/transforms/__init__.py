"""The transforms: one interpreter a file, and the functions a user calls."""

from .batch import vmap
from .checkpoint import checkpoint
from .forward import jvp
from .gradients import grad, hessian, hvp, jacobian, value_and_grad, vjp
from .reverse import enable_grad, keep_values, no_grad
from .trace import trace

__all__ = [
    "checkpoint",
    "enable_grad",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "keep_values",
    "no_grad",
    "trace",
    "value_and_grad",
    "vjp",
    "vmap",
]
