"""The catalogue: every mapping, one file a family of mathematics. The only place where mathematics is declared."""

from ..core import space
from .arithmetic import *  # noqa: F403
from .arithmetic import add, multiply, negative
from .reduce import *  # noqa: F403
from .reduce import _sum
from .shape import *  # noqa: F403
from .shape import _broadcast_to, _cast, _permute_dims, _reshape

space.furnish(
    add=add,
    multiply=multiply,
    negative=negative,
    sum=_sum,
    reshape=_reshape,
    broadcast_to=_broadcast_to,
    astype=_cast,
    permute_dims=_permute_dims,
)
