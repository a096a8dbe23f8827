"""Parametrisations: a weight that is computed from other parameters whenever it is read."""

from __future__ import annotations

import math
from typing import Any

from .. import mappings as m
from .. import random
from ..core.errors import ShapeError
from ..core.spec import ndim_of, shape_of
from ..transforms import no_grad
from .containers import ModuleDict
from .module import Module
from .parameter import Buffer, Parameter

__all__ = ["is_parametrized", "register_parametrization", "remove_parametrizations", "spectral_norm", "weight_norm"]


class ParametrizationList(Module):
    """The originals of one weight, and the modules that make the weight of them, one after the other."""

    def __init__(self, weight: Parameter, parametrization: Module) -> None:
        super().__init__()
        split = getattr(parametrization, "right_inverse", None)
        with no_grad():
            originals = split(weight) if split is not None else weight
        self.several = isinstance(originals, tuple)
        if self.several:
            for i, x in enumerate(originals):
                setattr(self, f"original{i}", Parameter(x, weight.requires_grad))
        else:  # the parameter itself stays, and so does what an optimiser holds
            self.original = weight if originals is weight else Parameter(originals, weight.requires_grad)
        self.add(parametrization)

    def add(self, parametrization: Module) -> None:
        """Put another module behind those that are there."""
        setattr(self, str(len(self._steps())), parametrization)

    def _steps(self) -> list[Module]:
        return [x for x in vars(self).values() if isinstance(x, Module)]

    def forward(self) -> Any:
        """Return the weight."""
        first, *others = self._steps()
        if self.several:
            originals = [x for name, x in vars(self).items() if name.startswith("original")]
            weight = first(*originals)
        else:
            weight = first(self.original)
        for step in others:
            weight = step(weight)
        return weight


def register_parametrization(module: Module, tensor_name: str, parametrization: Module) -> Module:
    """Let `module.<tensor_name>` be what `parametrization` makes of the parameter of that name; return the module.

    The parameter moves to `module.parametrizations.<tensor_name>.original`. A parametrisation with a method
    `right_inverse(weight)` says what the original is to be, or, with a tuple, the originals `original0`,
    `original1`, …; its `forward` takes them. Several parametrisations are applied in the order in which they
    were registered. Raises ValueError when there is no such parameter, ShapeError when the weight would get
    another shape.

    >>> import pullback as pb
    >>> class Symmetric(pb.nn.Module):
    ...     def forward(self, x):
    ...         return (x + x.T) / 2
    >>> layer = pb.nn.register_parametrization(pb.nn.Linear(2, 2), "weight", Symmetric())
    >>> layer.weight.tolist() == layer.weight.T.tolist()
    True
    """
    held = _held(module)
    if held is not None and tensor_name in held:
        before = shape_of(getattr(module, tensor_name))
        with no_grad():
            _check(module, tensor_name, shape_of(parametrization(held[tensor_name]())), before)
        held[tensor_name].add(parametrization)
        return module
    weight = vars(module).get(tensor_name)
    if not isinstance(weight, Parameter):
        raise ValueError(f"register_parametrization: {type(module).__name__} has no parameter {tensor_name!r}")
    steps = ParametrizationList(weight, parametrization)
    with no_grad():
        _check(module, tensor_name, shape_of(steps()), weight.shape)
    del vars(module)[tensor_name]
    if held is None:
        module.parametrizations = ModuleDict()
    module.parametrizations[tensor_name] = steps
    return module


def _check(module: Module, name: str, have: tuple[int, ...], want: tuple[int, ...]) -> None:
    if have != want:
        raise ShapeError(
            f"register_parametrization: expected {type(module).__name__}.{name} to keep its shape {want}, got {have}"
        )


def _held(module: Module) -> Any:
    return vars(module).get("parametrizations")


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Return whether a weight of the module (this one, or any) is computed by a parametrisation."""
    held = _held(module)
    return held is not None and (tensor_name is None or tensor_name in held)


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Make `module.<tensor_name>` a plain parameter again, with its present value; return the module.

    `leave_parametrized=False` gives it back the value of its original. Raises ValueError when there is no
    parametrisation, or when there are several originals and their value is asked for.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"remove_parametrizations: {type(module).__name__}.{tensor_name} is not parametrised")
    steps = module.parametrizations[tensor_name]
    if steps.several and not leave_parametrized:
        raise ValueError("remove_parametrizations: with several originals the weight can only stay as it is")
    wanted = any(p.requires_grad for p in steps.parameters())
    with no_grad():
        value = steps() if leave_parametrized else steps.original
    parameter = Parameter(value, wanted)
    del module.parametrizations[tensor_name]
    if not len(module.parametrizations):
        del vars(module)["parametrizations"]
    setattr(module, tensor_name, parameter)
    return module


# ------------------------------------------------------------------------------------------ weight norm


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Let the weight be g · v/‖v‖, with a length g and a direction v for every index of axis `dim`.

    `dim` None: one length for the whole weight. The parameters are `parametrizations.<name>.original0`, g,
    and `original1`, v (Salimans & Kingma, NeurIPS 2016). Returns the module. Raises ValueError when there is
    no such parameter.

    >>> import pullback as pb
    >>> layer = pb.nn.weight_norm(pb.nn.Linear(4, 3))
    >>> [(name, p.shape) for name, p in layer.named_parameters()][1:]
    [('parametrizations.weight.original0', (3, 1)), ('parametrizations.weight.original1', (3, 4))]
    """
    return register_parametrization(module, name, _WeightNorm(dim))


class _WeightNorm(Module):
    def __init__(self, dim: int | None) -> None:
        super().__init__()
        self.dim = dim

    def _length(self, v: Any) -> Any:
        if self.dim is None:
            return m.norm(v)
        rank = ndim_of(v)
        return m.norm(v, axis=tuple(a for a in range(rank) if a != self.dim % rank), keepdims=True)

    def forward(self, g: Any, v: Any) -> Any:
        """Return g v/‖v‖."""
        return m.multiply(v, m.divide(g, self._length(v)))

    def right_inverse(self, weight: Any) -> tuple[Any, Any]:
        """Return the length and the direction of a weight."""
        return self._length(weight), weight


# ---------------------------------------------------------------------------------------- spectral norm


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """Divide the weight by its largest singular value, which a power iteration follows.

    The weight counts as a matrix with axis `dim` as its rows (None: 0, or 1 of a transposed convolution). In
    training every reading of the weight does `n_power_iterations` more steps; 15 are done at the start. The
    vectors u and v are buffers of `parametrizations.<name>.0` (Miyato et al., ICLR 2018). Returns the module.
    Raises ValueError when there is no such parameter or less than one iteration.

    >>> import numpy as np, pullback as pb
    >>> layer = pb.nn.spectral_norm(pb.nn.Linear(4, 3))
    >>> for _ in range(50):
    ...     w = layer.weight
    >>> bool(abs(np.linalg.norm(w.numpy(), 2) - 1) < 1e-3)
    True
    """
    weight = vars(module).get(name)
    if not isinstance(weight, Parameter):
        raise ValueError(f"spectral_norm: {type(module).__name__} has no parameter {name!r}")
    if n_power_iterations < 1:
        raise ValueError(f"spectral_norm: expected n_power_iterations >= 1, got {n_power_iterations}")
    if dim is None:
        dim = 1 if type(module).__name__.startswith("ConvTranspose") else 0
    return register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, dim, eps))


class _SpectralNorm(Module):
    def __init__(self, weight: Parameter, n_power_iterations: int, dim: int, eps: float) -> None:
        super().__init__()
        self.n_power_iterations = n_power_iterations
        self.eps = eps
        self.dim = dim % weight.ndim
        if weight.ndim > 1:
            rows, columns = weight.shape[self.dim], weight.size // weight.shape[self.dim]
            u, v = (random.normal((n,), dtype=weight.dtype) for n in (rows, columns))
            with no_grad():
                self._u = Buffer(self._unit(u))
                self._v = Buffer(self._unit(v))
                self._iterate(self._matrix(weight), 15)

    def _unit(self, x: Any) -> Any:
        return m.divide(x, m.maximum(m.norm(x), self.eps))

    def _matrix(self, weight: Any) -> Any:
        shape = shape_of(weight)
        if self.dim:
            others = [a for a in range(len(shape)) if a != self.dim]
            weight = m.permute_dims(weight, (self.dim, *others))
        return m.reshape(weight, (shape[self.dim], math.prod(shape) // shape[self.dim]))

    def _iterate(self, matrix: Any, count: int) -> None:
        matrix = m.stop_gradient(matrix)
        u, v = self._u, self._v
        for _ in range(count):
            u = self._unit(m.matmul(matrix, v))
            v = self._unit(m.matmul(m.matrix_transpose(matrix), u))
        self._u.assign_(u)
        self._v.assign_(v)

    def forward(self, weight: Any) -> Any:
        """Return the weight over its largest singular value."""
        if ndim_of(weight) == 1:
            return self._unit(weight)
        matrix = self._matrix(weight)
        if self.training:
            self._iterate(matrix, self.n_power_iterations)
        u, v = m.stop_gradient(self._u), m.stop_gradient(self._v)
        return m.divide(weight, m.vecdot(u, m.matmul(matrix, v)))
