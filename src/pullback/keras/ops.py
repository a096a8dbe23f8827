"""Array functions under Keras' names, on arrays and on symbolic tensors.

>>> from pullback import keras
>>> x = keras.Input(shape=(3,))
>>> keras.ops.sum(keras.ops.square(x), axis=1).shape
(None,)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .layers.operation import OPERATIONS
from .symbolic import is_symbolic, operate

__all__ = sorted(set(OPERATIONS) - {"get_item"})


def _function(name: str) -> Callable[..., Any]:
    def function(*args: Any, **kwargs: Any) -> Any:
        if is_symbolic(args, kwargs):
            return operate(name, *args, **kwargs)
        return OPERATIONS[name](*args, **kwargs)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Return the `{name}` of arrays, or put it behind symbolic tensors."
    return function


def __getattr__(name: str) -> Callable[..., Any]:
    if name not in __all__:
        raise AttributeError(f"pullback.keras.ops has no {name!r}; it has {', '.join(__all__)}")
    return _function(name)


def __dir__() -> list[str]:
    return list(__all__)
