"""Optimizer: the base of all optimisers. It keeps the slots, reads gradients and writes parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..core.cell import Cell, contents, write_together
from ..core.errors import DtypeError, ShapeError
from ..core.interpret import interpreting
from ..nn.clipping import gradient_cell, plain_gradient
from ..tensor import Tensor
from ..transforms.backward import numbers_of
from ..transforms.reverse import TAPE, enable_grad, tape
from .group import ParamGroup

__all__ = ["Optimizer"]


class Optimizer:
    """Base of the optimisers. A subclass says which slots a parameter has, and how it is updated.

    `params`: tensors, or dicts with `"params"` and settings that differ from the `defaults`. Slots are made
    here, once, as cells. Raises ValueError for no parameters, one given twice, one that is not a leaf, or a
    setting out of range; TypeError for what is not a tensor.
    """

    dynamic: tuple[str, ...] = ("lr", "initial_lr")
    """The settings that a traced step takes as inputs."""

    structural: tuple[str, ...] = ("momentum", "amsgrad", "centered")
    """The settings that decide which slots there are, so that they cannot be switched on later."""

    needs_closure: bool = False
    """Whether `step` evaluates the loss by itself, and so has to be given a closure."""

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self.param_groups: list[ParamGroup] = []
        self.schedules: list[Any] = []
        self._rows: list[list[_Row]] = []
        for group in _as_groups(type(self).__name__, params):
            self.add_param_group(group)

    # ------------------------------------------------------------------------- what a subclass defines

    def slots(self, settings: ParamGroup, p: Tensor) -> dict[str, Any]:
        """Return the names of the slots of the parameter `p`, with what they start with.

        A Python number fills an array like `p`; an array, also a 0-d one, is taken as it is. Raises
        ValueError for a parameter that this optimiser cannot train.
        """
        return {}

    def update(self, p: Any, g: Any, step: Any, slots: Sequence[Any], settings: dict[str, Any]) -> Sequence[Any]:
        """Return the new parameter, the new step counter and the new slots. Written with mappings."""
        raise NotImplementedError(f"{type(self).__name__}.update")  # an abstract method

    # -------------------------------------------------------------------------------------- what users call

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient. All are written together, after the last was computed.

        `closure`, if given, is called first: it computes the loss and the gradients, and step returns its loss.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        new: list[tuple[Cell, Any]] = []
        update = self.update
        with interpreting(tape().below):
            for group, rows in zip(self.param_groups, self._rows, strict=True):
                settings = group.values_now()
                for row in rows:
                    link = row.parameter._link
                    if link is None:
                        continue
                    g = link.grad.read()
                    if g is None:
                        continue
                    if isinstance(g, Tensor):
                        g = plain_gradient(link.grad)
                    p, step, *slots = contents(row.cells)
                    values = update(p, g, step, slots, settings)
                    new.extend(zip(row.cells, values, strict=True))
        write_together(new)
        return loss

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters: `.grad` becomes None."""
        for rows in self._rows:
            for row in rows:
                cell = gradient_cell(row.parameter)
                if cell is not None:
                    cell.write(None)

    @property
    def lr(self) -> Any:
        """The learning rate of the first group. Setting it sets that of all groups."""
        return self.param_groups[0]["lr"]

    @lr.setter
    def lr(self, value: float) -> None:
        for group in self.param_groups:
            group["lr"] = value

    def add_param_group(self, group: dict[str, Any]) -> None:
        """Train further parameters: `{"params": …}` with settings that differ from the defaults."""
        name = type(self).__name__
        if not isinstance(group, dict) or "params" not in group:
            raise TypeError(f"{name}: expected a dict with 'params' as a group, got {group!r}")
        params = _as_tensors(name, group["params"])
        unknown = [key for key in group if key != "params" and key not in self.defaults]
        if unknown:
            raise ValueError(f"{name}: unknown settings {unknown}; expected some of {list(self.defaults)}")
        seen = {id(row.parameter) for rows in self._rows for row in rows}  # asked for membership only
        for i, p in enumerate(params):
            if id(p) in seen:
                raise ValueError(
                    f"{name}: parameter {i} of shape {p.shape} is given twice; it would be updated twice in a step"
                )
            seen.add(id(p))
        settings = ParamGroup(params, self.check, self.check_group, self.dynamic)
        for key, default in self.defaults.items():
            settings.settle(key, group.get(key, default))
        self.check_group(settings)
        settings.fix(*(name for name in self.structural if name in self.defaults))
        rows = [_Row(p, self.slots(settings, p)) for p in params]
        self.param_groups.append(settings)
        self._rows.append(rows)

    # ---------------------------------------------------------------------------------------- settings

    def check(self, name: str, value: Any) -> Any:
        """Return the value of a setting as it is kept, or raise ValueError."""
        if isinstance(value, bool) or value is None:
            return value
        if name == "betas":
            first, second = (float(beta) for beta in value)
            for beta in (first, second):
                if not 0 <= beta < 1:
                    raise ValueError(f"{type(self).__name__}: expected betas in [0, 1), got {value}")
            return first, second
        number = float(value)
        if not number >= 0 or (name in ("lr", "initial_lr") and number == np.inf):
            raise ValueError(f"{type(self).__name__}: expected {name} to be a number >= 0, got {value}")
        return number

    def check_group(self, settings: ParamGroup) -> None:
        """Raise ValueError when settings do not go together."""

    # ------------------------------------------------------------------------------------------- state

    def state_dict(self) -> dict[str, Any]:
        """Return copies of the slots and settings, as `load_state_dict` and `pullback.save` take them.

        `{"state": {number of the parameter: {"step": …, slot: …}}, "param_groups": [{setting: …}]}`
        """
        state: dict[int, dict[str, Any]] = {}
        groups = []
        for group, rows in zip(self.param_groups, self._rows, strict=True):
            numbers = range(len(state), len(state) + len(rows))
            settings = {k: list(v) if isinstance(v, tuple) else v for k, v in group.items() if k != "params"}
            groups.append({**settings, "params": list(numbers)})
            for number, row in zip(numbers, rows, strict=True):
                step, *slots = (cell.read() for cell in row.cells[1:])
                arrays = {name: Tensor(TAPE, np.array(x)[()]) for name, x in zip(row.names, slots, strict=True)}
                state[number] = {"step": int(step), **arrays}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken. Raises ValueError (also ShapeError, DtypeError) when it does
        not fit; then nothing has changed."""
        name = type(self).__name__
        if not isinstance(state_dict, dict) or set(state_dict) != {"state", "param_groups"}:
            raise ValueError(f"{name}.load_state_dict: expected a dict with 'state' and 'param_groups'")
        groups, state = state_dict["param_groups"], state_dict["state"]
        sizes, own = [len(g["params"]) for g in groups], [len(rows) for rows in self._rows]
        if sizes != own:
            raise ValueError(f"{name}.load_state_dict: expected groups of {own} parameters, got {sizes}")
        settings: list[tuple[ParamGroup, str, Any]] = []
        for i, (group, given) in enumerate(zip(self.param_groups, groups, strict=True)):
            keys = [key for key in given if key not in ("params", "initial_lr")]
            missing = [key for key in group if key not in given and key not in ("params", "initial_lr")]
            unknown = [key for key in keys if key not in group]
            if missing or unknown:
                raise ValueError(
                    f"{name}.load_state_dict: the settings of group {i} do not fit: "
                    f"missing {missing}, unknown {unknown}"
                )
            for key in keys:
                settings.append((group, key, group.checked(key, given[key])))
            if "initial_lr" in given:
                settings.append((group, "initial_lr", np.float64(self.check("initial_lr", given["initial_lr"]))))
        new: list[tuple[Cell, Any]] = []
        for number, row in enumerate(row for rows in self._rows for row in rows):
            given = state.get(number)
            names = ["step", *row.names]
            if given is None or set(given) != set(names):
                have = None if given is None else list(given)
                raise ValueError(f"{name}.load_state_dict: expected slots {names} for parameter {number}, got {have}")
            new.append((row.cells[1], np.int64(int(given["step"]))))
            for slot, cell in zip(row.names, row.cells[2:], strict=True):
                a, old = np.array(numbers_of(given[slot])), cell.read()
                where = f"{name}.load_state_dict: {slot} of parameter {number}"
                if a.shape != old.shape:
                    raise ShapeError(f"{where}: expected shape {old.shape}, got {a.shape}")
                if a.dtype != old.dtype:
                    raise DtypeError(f"{where}: expected {old.dtype}, got {a.dtype}")
                new.append((cell, a[()]))
        for group, key, value in settings:
            if key in group:
                group.cell(key).write(value)
            else:
                group.settle(key, value)
        for cell, value in new:
            cell.write(value)

    def __repr__(self) -> str:
        groups = "".join(f"\n  {group!r}" for group in self.param_groups)
        return f"{type(self).__name__}({groups}\n)"


class _Row:
    """A parameter with its cells: the values, the step counter, the slots."""

    __slots__ = ("cells", "names", "parameter")

    def __init__(self, parameter: Tensor, starts: dict[str, Any]) -> None:
        self.parameter = parameter
        self.names = tuple(starts)
        values: Cell = parameter._payload
        self.cells = [values, Cell(np.int64(0), name=f"{values.name}.step")]
        for name, start in starts.items():
            whole = isinstance(start, np.ndarray | np.generic)
            slot = np.array(start) if whole else np.full(parameter.shape, start, parameter.dtype)
            self.cells.append(Cell(slot[()], name=f"{values.name}.{name}"))


def _as_groups(name: str, params: Any) -> list[dict[str, Any]]:
    if isinstance(params, Tensor):
        raise TypeError(f"{name}: expected a list of tensors.\n  wrong:  {name}(w)\n  right:  {name}([w])")
    if isinstance(params, dict) or hasattr(params, "parameters") or isinstance(params, str):
        raise TypeError(
            f"{name}: expected tensors or groups, got {type(params).__name__}.\n"
            f"  wrong:  {name}(net)\n  right:  {name}(net.parameters())"
        )
    given = list(params)
    if not given:
        raise ValueError(f"{name}: got no parameters (a generator that was used up before, perhaps?)")
    if isinstance(given[0], dict):
        return given
    return [{"params": given}]


def _as_tensors(name: str, params: Any) -> list[Tensor]:
    given = [params] if isinstance(params, Tensor) else list(params)
    if not given:
        raise ValueError(f"{name}: a group has no parameters")
    for i, p in enumerate(given):
        if not isinstance(p, Tensor) or p._owner is not TAPE:
            raise TypeError(f"{name}: expected tensors, got {type(p).__name__} as parameter {i}")
        if not p.is_leaf:
            raise ValueError(f"{name}: parameter {i} is not a leaf but was computed; give what it was computed from")
        if p.dtype.kind != "f":
            raise TypeError(f"{name}: expected real floating parameters, got {p.dtype} as parameter {i}")
        if not isinstance(p._payload, Cell):
            p.requires_grad_(False)
    return given
