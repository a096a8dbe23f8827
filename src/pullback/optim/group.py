"""ParamGroup: parameters with the settings they are trained with, each setting in a cell.

What changes while training (lr, momentum, betas) is a float64 array, so that a traced step takes it as an
input; every other setting is static, so that a traced step is recorded anew when it changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

import numpy as np

from ..core.cell import Cell, contents
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

    def __init__(
        self,
        params: list[Tensor],
        check: Callable[[str, Any], Any],
        agree: Callable[[ParamGroup], None],
        dynamic: tuple[str, ...],
    ) -> None:
        self.params = params
        self._check = check
        self._agree = agree
        self._dynamic = dynamic
        self._cells: dict[str, Cell] = {}
        self._without: dict[str, bool] = {}

    def settle(self, name: str, value: Any) -> None:
        """Add a setting."""
        checked = self._check(name, value)
        self._cells[name] = Cell(_numbers(checked) if name in self._dynamic else checked, name=name)

    def fix(self, *names: str) -> None:
        """Note which of these settings are on: their slots exist or do not, and that stays so."""
        self._without = {name: not self[name] for name in names}

    def checked(self, name: str, value: Any) -> Any:
        """Return the value of a setting as its cell keeps it, or raise KeyError or ValueError."""
        if name not in self._cells:
            raise KeyError(f"a group of this optimiser has no setting {name!r}; it has {', '.join(self)}")
        value = self._check(name, value)
        without = self._without.get(name)
        if (without and value) or (without is False and value is False):
            raise ValueError(
                f"{name} was {self[name]} when the optimiser was made, and its slots are made then; "
                f"make a new optimiser with {name}={value}"
            )
        return _numbers(value) if name in self._dynamic else value

    def cell(self, name: str) -> Cell:
        """Return the cell of a setting."""
        return self._cells[name]

    def values_now(self) -> dict[str, Any]:
        """Return all settings as an update takes them: arrays or traced values, and static values."""
        return dict(zip(self._cells, contents(self._cells.values()), strict=True))

    def __getitem__(self, name: str) -> Any:
        if name == "params":
            return self.params
        value = self._cells[name].read()
        if isinstance(value, Value):
            return Tensor(TAPE, value)
        if not isinstance(value, np.generic | np.ndarray):
            return value
        return tuple(value.tolist()) if value.ndim else float(value)

    def __setitem__(self, name: str, value: Any) -> None:
        if isinstance(value, Value) and name in self._dynamic:
            while isinstance(value, Value) and value._owner is TAPE:
                value = value._payload.read() if isinstance(value._payload, Cell) else value._payload
            if isinstance(value, Value) and not self._without.get(name):
                self._cells[name].write(value)
                return
        cell = self._cells.get(name)
        new = self.checked(name, value)
        assert cell is not None
        old = cell.read()
        cell.write(new)
        try:
            self._agree(self)
        except ValueError:
            cell.write(old)
            raise

    def __delitem__(self, name: str) -> None:
        raise TypeError("a setting of an optimiser can be changed, not deleted")

    def __iter__(self) -> Iterator[str]:
        return iter(["params", *self._cells])

    def __len__(self) -> int:
        return 1 + len(self._cells)

    def __repr__(self) -> str:
        settings = "".join(f", {name}: {self[name]}" for name in self._cells)
        return f"{{params: {len(self.params)} tensors{settings}}}"


def _numbers(value: Any) -> Any:
    return np.asarray(value, np.float64)[()]
