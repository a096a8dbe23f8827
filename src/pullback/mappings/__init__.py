"""The catalogue: every mapping, one file a family of mathematics. The only place where mathematics is declared.

What only layers, losses, optimisers and random streams need (convolution, pooling, normalisation, updates, …) is
imported by these: `import pullback` is to take a moment. `complete` imports all of it.
"""

from importlib import import_module as _import_module
from types import ModuleType as _Module

from ..core import space
from .activation import *
from .along import *
from .arithmetic import *
from .arithmetic import add, multiply, negative
from .compare import *
from .count import *
from .cumulate import *
from .diagonals import *
from .dtype import *
from .dtype import _cast
from .einsum import *
from .entropic import *
from .exponential import *
from .gamma import *
from .index import *
from .join import *
from .linalg import *
from .linear import *
from .logistic import *
from .logsumexp import *
from .onehot import *
from .reduce import *
from .reduce import _sum
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


def complete() -> None:
    """Import every file of the catalogue, so that `CATALOGUE` holds every mapping there is."""
    import pkgutil
    from pathlib import Path

    for file in pkgutil.iter_modules([str(Path(__file__).parent)]):
        _import_module(f"{__name__}.{file.name}")
