"""The catalogue: every mapping, one file a family of mathematics. The only place where mathematics is declared."""

from types import ModuleType as _Module

from ..core import space
from .activation import *  # noqa: F403
from .along import *  # noqa: F403
from .arithmetic import *  # noqa: F403
from .arithmetic import add, multiply, negative
from .compare import *  # noqa: F403
from .count import *  # noqa: F403
from .cumulate import *  # noqa: F403
from .diagonals import *  # noqa: F403
from .dtype import *  # noqa: F403
from .dtype import _cast
from .einsum import *  # noqa: F403
from .exponential import *  # noqa: F403
from .index import *  # noqa: F403
from .join import *  # noqa: F403
from .linalg import *  # noqa: F403
from .linear import *  # noqa: F403
from .logistic import *  # noqa: F403
from .logsumexp import *  # noqa: F403
from .loss import *  # noqa: F403
from .onehot import *  # noqa: F403
from .random import *  # noqa: F403
from .reduce import *  # noqa: F403
from .reduce import _sum
from .rounding import *  # noqa: F403
from .select import *  # noqa: F403
from .shape import *  # noqa: F403
from .shape import _broadcast_to, _permute_dims, _reshape
from .softmax import *  # noqa: F403
from .special import *  # noqa: F403
from .spread import *  # noqa: F403
from .trigonometric import *  # noqa: F403
from .update import *  # noqa: F403

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

# The files of the catalogue are not part of what it offers (`random` and `linalg` mean something else above).
__all__ = [_name for _name, _x in list(globals().items()) if _name[0] != "_" and not isinstance(_x, _Module)]
