"""ParamGroup: parameters with the settings they are trained with, each setting in a cell.

What changes while training (lr, momentum) is a 0-d float64 array, so that a traced step takes it as an
input; every other setting is static, so that a traced step is recorded anew when it changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

import numpy as np

from ..core.cell import Cell
from ..core.value import Value
from ..tensor import Tensor
from ..transforms.reverse import TAPE

__all__ = ["ParamGroup"]


class ParamGroup(MutableMapping[str, Any]):
    """The settings by name, read and written as Python numbers, and `"params"`, the list of parameters.

    >>> import pullback as pb
    >>> optimiser = pb.optim.SGD([pb.nn.Parameter([1.0])], lr=0.1)
    >>> optimiser.param_groups[0]["lr"] = 0.05
    >>> optimiser.param_groups[0]["lr"]
    0.05
    """

    def __init__(self, params: list[Tensor], check: Callable[[str, Any], Any], dynamic: tuple[str, ...]) -> None:
        self.params = params
        self._check = check
        self._dynamic = dynamic
        self._cells: dict[str, Cell] = {}

    def settle(self, name: str, value: Any) -> None:
        """Add a setting."""
        checked = self._check(name, value)
        self._cells[name] = Cell(np.float64(checked) if name in self._dynamic else checked, name=name)

    def cell(self, name: str) -> Cell:
        """Return the cell of a setting."""
        return self._cells[name]

    def values_now(self) -> dict[str, Any]:
        """Return all settings as an update takes them: 0-d arrays or traced values, and static values."""
        return {name: cell.read() for name, cell in self._cells.items()}

    def __getitem__(self, name: str) -> Any:
        if name == "params":
            return self.params
        value = self._cells[name].read()
        if isinstance(value, Value):
            return Tensor(TAPE, value)
        return float(value) if isinstance(value, np.generic | np.ndarray) else value

    def __setitem__(self, name: str, value: Any) -> None:
        if name not in self._cells:
            raise KeyError(f"a group of this optimiser has no setting {name!r}; it has {', '.join(self)}")
        cell = self._cells[name]
        if isinstance(value, Value) and name in self._dynamic:
            payload = value._payload if value._owner is TAPE else value
            payload = payload.read() if isinstance(payload, Cell) else payload
            if isinstance(payload, Value):
                cell.write(payload)
                return
            value = payload
        checked = self._check(name, value)
        cell.write(np.float64(checked) if name in self._dynamic else checked)

    def __delitem__(self, name: str) -> None:
        raise TypeError("a setting of an optimiser can be changed, not deleted")

    def __iter__(self) -> Iterator[str]:
        return iter(["params", *self._cells])

    def __len__(self) -> int:
        return 1 + len(self._cells)

    def __repr__(self) -> str:
        settings = "".join(f", {name}: {self[name]}" for name in self._cells)
        return f"{{params: {len(self.params)} tensors{settings}}}"
