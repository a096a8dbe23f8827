"""Checking a state dict against a module before anything is changed."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..core.errors import DtypeError, ShapeError
from ..core.value import Value
from ..tensor import Tensor
from ..transforms.backward import numbers_of

__all__ = ["Loaded", "check_state"]


class Loaded(NamedTuple):
    """What `load_state_dict` did not find, and what it did not need."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def check_state(
    owner: str, own: dict[str, Tensor], given: dict[str, Any], strict: bool
) -> tuple[dict[str, np.ndarray[Any, Any]], Loaded]:
    """Return the arrays of `given` that belong to `own`, and the names that do not match.

    Raises KeyError (only if `strict`), ShapeError, DtypeError or TypeError, naming everything that is wrong.
    """
    if not isinstance(given, dict):
        raise TypeError(
            f"load_state_dict: expected a dict of arrays by path, got {type(given).__name__}.\n"
            f"  wrong:  net.load_state_dict('weights.safetensors')\n"
            f"  right:  net.load_state_dict(pb.load('weights.safetensors'))"
        )
    missing = [path for path in own if path not in given]
    unexpected = [path for path in given if path not in own]
    if strict and (missing or unexpected):
        lines = [f"load_state_dict: the names do not match those of {owner}; nothing was changed."]
        lines += [f"  missing:     {path} {own[path].shape}" for path in missing]
        lines += [f"  unexpected:  {path}" for path in unexpected]
        raise KeyError(_Text("\n".join(lines)))
    new = {path: _array(path, given[path]) for path in own if path in given}
    pairs = [(path, own[path], a) for path, a in new.items()]
    wrong = [f"  {path}: expected shape {x.shape}, got {a.shape}" for path, x, a in pairs if a.shape != x.shape]
    if wrong:
        raise ShapeError(
            "\n".join([f"load_state_dict: shapes differ from those of {owner}; nothing was changed.", *wrong])
        )
    wrong = [f"  {path}: expected {x.dtype}, got {a.dtype}" for path, x, a in pairs if a.dtype != x.dtype]
    if wrong:
        raise DtypeError(
            "\n".join(
                [
                    f"load_state_dict: dtypes differ from those of {owner}; nothing was changed.",
                    *wrong,
                    "  Convert the module first (module.double(), module.float()), or the arrays.",
                ]
            )
        )
    return new, Loaded(missing, unexpected)


def _array(path: str, x: Any) -> np.ndarray[Any, Any]:
    if not isinstance(x, Value | np.ndarray | np.generic):
        raise TypeError(f"load_state_dict: {path} must be an array or a tensor, got {type(x).__name__}")
    a = np.array(numbers_of(x))
    return a if a.dtype.isnative else a.astype(a.dtype.newbyteorder("="))


class _Text(str):
    """A message that KeyError shows as it is, and not as the repr of a string."""

    def __repr__(self) -> str:
        return str(self)
