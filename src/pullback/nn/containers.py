"""Containers: modules that hold modules, or parameters."""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, KeysView, ValuesView
from typing import Any, Self

from .module import Module
from .parameter import Parameter

__all__ = ["ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]


class _Ordered(Module):
    """Modules under names, in order; by default the names are 0, 1, 2, …"""

    def _add(self, name: str, module: Any) -> None:
        if not isinstance(module, Module):
            raise TypeError(
                f"{type(self).__name__}: expected modules, got {type(module).__name__} at {name!r}.\n"
                f"  wrong:  nn.Sequential(nn.Linear(4, 2), pb.tanh)\n"
                f"  right:  nn.Sequential(nn.Linear(4, 2), nn.Tanh())"
            )
        if name in vars(self) or hasattr(type(self), name):
            raise ValueError(f"{type(self).__name__}: the name {name!r} is taken")
        vars(self)[name] = module

    def _held(self) -> list[Module]:
        return [x for x in vars(self).values() if isinstance(x, Module)]

    def append(self, module: Module) -> Self:
        """Add a module at the end, and return the container."""
        self._add(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add modules at the end, and return the container."""
        for module in modules:
            self.append(module)
        return self

    def __len__(self) -> int:
        return len(self._held())

    def __iter__(self) -> Iterator[Module]:
        return iter(self._held())

    def __getitem__(self, index: int | slice) -> Any:
        """The module at an index; a slice gives a container of the same modules."""
        if isinstance(index, slice):
            return type(self)._of(self._held()[index])
        held = self._held()
        if not -len(held) <= index < len(held):
            raise IndexError(f"{type(self).__name__}: index {index} in a container of {len(held)} modules")
        return held[index]

    def __setitem__(self, index: int, module: Module) -> None:
        held = [name for name, x in vars(self).items() if isinstance(x, Module)]
        if not isinstance(module, Module):
            raise TypeError(f"{type(self).__name__}: expected a module, got {type(module).__name__}")
        vars(self)[held[index]] = module

    @classmethod
    def _of(cls, modules: list[Module]) -> Any:
        raise NotImplementedError(f"{cls.__name__}._of")  # an abstract method


class Sequential(_Ordered):
    """Apply modules one after the other: xₙ = fₙ(… f₁(x)).

    Takes the modules, or one dict of modules by name. Raises TypeError for what is not a module.

    >>> import pullback as pb
    >>> net = pb.nn.Sequential(pb.nn.Linear(4, 8), pb.nn.Tanh(), pb.nn.Linear(8, 2))
    >>> net(pb.zeros((3, 4))).shape
    (3, 2)
    >>> net[1]
    Tanh()
    """

    def __init__(self, *modules: Any) -> None:
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], dict):
            for name, module in modules[0].items():
                self._add(name, module)
        else:
            for i, module in enumerate(modules):
                self._add(str(i), module)

    @classmethod
    def _of(cls, modules: list[Module]) -> Any:
        return Sequential(*modules)

    def forward(self, x: Any) -> Any:
        """Apply the modules in order."""
        for module in vars(self).values():
            if isinstance(module, Module):
                x = module(x)
        return x


class ModuleList(_Ordered):
    """A list of modules; what is computed with them is up to the module that holds the list.

    >>> import pullback as pb
    >>> len(pb.nn.ModuleList([pb.nn.Linear(2, 2) for _ in range(3)]))
    3
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        for i, module in enumerate(modules):
            self._add(str(i), module)

    @classmethod
    def _of(cls, modules: list[Module]) -> Any:
        return ModuleList(modules)


class _Named(Module):
    """Things of one kind under names, in the order in which they were added."""

    kind: type[Any]
    example: str

    def __init__(self, entries: Any = None) -> None:
        super().__init__()
        if entries is not None:
            self.update(entries)

    def _entries(self) -> dict[str, Any]:
        return {name: x for name, x in vars(self).items() if isinstance(x, self.kind)}

    def __setitem__(self, name: str, x: Any) -> None:
        here = type(self).__name__
        if not isinstance(x, self.kind):
            raise TypeError(
                f"{here}: expected a {self.kind.__name__} under {name!r}, got {type(x).__name__}.\n"
                f"  right:  {self.example}"
            )
        if not isinstance(name, str) or not name or "." in name:
            raise ValueError(f"{here}: expected a name without dots, got {name!r}")
        if hasattr(type(self), name) or (name in vars(self) and name not in self._entries()):
            raise ValueError(f"{here}: the name {name!r} is taken")
        setattr(self, name, x)

    def __getitem__(self, name: str) -> Any:
        entries = self._entries()
        if name not in entries:
            raise KeyError(f"{type(self).__name__}: there is no {name!r}; there are {', '.join(entries) or 'none'}")
        return entries[name]

    def __delitem__(self, name: str) -> None:
        self[name]
        delattr(self, name)

    def __len__(self) -> int:
        return len(self._entries())

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries())

    def __contains__(self, name: object) -> bool:
        return name in self._entries()

    def keys(self) -> KeysView[str]:
        """The names."""
        return self._entries().keys()

    def values(self) -> ValuesView[Any]:
        """What is under the names."""
        return self._entries().values()

    def items(self) -> ItemsView[str, Any]:
        """The names and what is under them."""
        return self._entries().items()

    def update(self, entries: Any) -> None:
        """Add entries from a dict, or from pairs of a name and a thing."""
        for name, x in entries.items() if hasattr(entries, "items") else entries:
            self[name] = x

    def pop(self, name: str) -> Any:
        """Take the thing under a name out, and return it."""
        x = self[name]
        delattr(self, name)
        return x


class ModuleDict(_Named):
    """Modules by name; what is computed with them is up to the module that holds the dict.

    >>> import pullback as pb
    >>> heads = pb.nn.ModuleDict({"digit": pb.nn.Linear(4, 10), "parity": pb.nn.Linear(4, 2)})
    >>> [name for name, p in heads.named_parameters()]
    ['digit.weight', 'digit.bias', 'parity.weight', 'parity.bias']
    """

    kind = Module
    example = 'nn.ModuleDict({"act": nn.Tanh()})'


class ParameterDict(_Named):
    """Parameters by name.

    >>> import pullback as pb
    >>> [name for name, p in pb.nn.ParameterDict({"scale": pb.nn.Parameter([1.0])}).named_parameters()]
    ['scale']
    """

    kind = Parameter
    example = 'nn.ParameterDict({"scale": nn.Parameter([1.0])})'


class ParameterList(Module):
    """A list of parameters, under the names 0, 1, 2, …

    >>> import pullback as pb
    >>> scales = pb.nn.ParameterList([pb.nn.Parameter([1.0]) for _ in range(3)])
    >>> len(scales), [name for name, p in scales.named_parameters()]
    (3, ['0', '1', '2'])
    """

    def __init__(self, parameters: Iterable[Parameter] = ()) -> None:
        super().__init__()
        self.extend(parameters)

    def _held(self) -> list[Parameter]:
        return [x for x in vars(self).values() if isinstance(x, Parameter)]

    def append(self, parameter: Parameter) -> Self:
        """Add a parameter at the end, and return the list."""
        if not isinstance(parameter, Parameter):
            raise TypeError(
                f"ParameterList: expected parameters, got {type(parameter).__name__}.\n"
                f"  right:  nn.ParameterList([nn.Parameter([1.0])])"
            )
        setattr(self, str(len(self)), parameter)
        return self

    def extend(self, parameters: Iterable[Parameter]) -> Self:
        """Add parameters at the end, and return the list."""
        for parameter in parameters:
            self.append(parameter)
        return self

    def __len__(self) -> int:
        return len(self._held())

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self._held())

    def __getitem__(self, index: int) -> Parameter:
        held = self._held()
        if not -len(held) <= index < len(held):
            raise IndexError(f"ParameterList: index {index} in a list of {len(held)} parameters")
        return held[index]

    def __setitem__(self, index: int, parameter: Parameter) -> None:
        self[index]
        if not isinstance(parameter, Parameter):
            raise TypeError(f"ParameterList: expected a parameter, got {type(parameter).__name__}")
        setattr(self, str(index % len(self)), parameter)
