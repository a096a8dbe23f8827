"""The errors of the engine: each says what was expected, what came, and what to write instead."""

from __future__ import annotations

__all__ = [
    "DtypeError",
    "EscapedValueError",
    "FreedGraphError",
    "GradientError",
    "InPlaceError",
    "PullbackError",
    "ShapeError",
    "TraceError",
    "UnsupportedError",
]


class PullbackError(Exception):
    """Base of every error that pullback raises on purpose."""


class ShapeError(PullbackError, ValueError):
    """Shapes that do not fit together."""


class DtypeError(PullbackError, TypeError):
    """A dtype that a mapping or a transform cannot work with."""


class GradientError(PullbackError, RuntimeError):
    """A gradient was asked for where there is none."""


class FreedGraphError(GradientError):
    """A graph was walked a second time after its saved values were released."""


class EscapedValueError(PullbackError, RuntimeError):
    """A value was used outside the transform that made it."""


class InPlaceError(PullbackError, TypeError):
    """A tensor was to be changed in place where that would falsify a gradient."""


class TraceError(PullbackError, TypeError):
    """Python asked for the number behind a value that is only known when the traced step runs."""


class UnsupportedError(PullbackError, NotImplementedError):
    """A facet that a mapping declares it does not have, with the reason."""
