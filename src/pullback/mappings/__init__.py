"""The catalogue: every mapping, one file a family of mathematics. The only place where mathematics is declared."""

from types import ModuleType as _Module

from ..core import space
from .activation import *
from .along import *
from .arithmetic import *
from .arithmetic import add, multiply, negative
from .compare import *
from .conv import *
from .count import *
from .ctc import *
from .cumulate import *
from .diagonals import *
from .dtype import *
from .dtype import _cast
from .einsum import *
from .embedding import *
from .exponential import *
from .index import *
from .join import *
from .linalg import *
from .linear import *
from .logistic import *
from .logsumexp import *
from .loss import *
from .normalise import *
from .onehot import *
from .pool import *
from .random import *
from .recurrent import *
from .reduce import *
from .reduce import _sum
from .resample import *
from .residual import *
from .rounding import *
from .select import *
from .shape import *
from .shape import _broadcast_to, _permute_dims, _reshape
from .shrink import *
from .softmax import *
from .special import *
from .spread import *
from .stack import *
from .trigonometric import *
from .update import *
from .update_adam import *
from .update_lbfgs import *
from .update_matrix import *

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
