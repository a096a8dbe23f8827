"""The gates of recurrent layers: what an LSTM and a GRU make of their weighted inputs and their state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core import space
from ..core.errors import ShapeError
from ..core.families import composite, irregular
from ..core.mapping import INPUTS, NOTHING, unsupported
from ..core.samples import Sample, fixed
from ..core.spec import Spec, result_dtype
from .arithmetic import add, multiply, square, subtract
from .join import _concat, split
from .logistic import sigmoid, sigmoid_value
from .slicing import repeated
from .trigonometric import tanh

__all__: list[str] = []


def check_lengths(lengths: Any, steps: int) -> Any:
    """Return integer `lengths` after checking that each lies in 1, …, steps. Raises ShapeError."""
    lengths = np.asarray(lengths)
    wrong = np.flatnonzero((lengths < 1) | (lengths > steps))
    if wrong.size:
        raise ShapeError(
            f"expected lengths between 1 and {steps}, the number of steps of x, got {int(lengths.flat[wrong[0]])} for "
            f"sequence {int(wrong[0])}"
        )
    return lengths[()]


_sequence_lengths = irregular(
    "sequence_lengths",
    lambda lengths, *, steps: check_lengths(lengths, steps),
    spec=lambda lengths, *, steps: Spec(lengths.shape, lengths.dtype),
    batch=lambda batched, xs, *, steps: _sequence_lengths(xs[0], steps=steps),
    arguments=("lengths",),
    uses=NOTHING,
    differentiable=False,
    formula="{lengths}",
    words="{lengths}, checked to be lengths of sequences",
    refuses=True,
    lower="length_check",
    onnx="Identity",
    samples=fixed(lambda rng: [Sample((rng.integers(1, 5, shape),), {"steps": 4}) for shape in ((5,), (2, 3), ())]),
)


def _ends(x: Any, parts: int) -> Any:
    return split(x, parts, axis=-1)


def _joined(*parts: Any) -> Any:
    return _concat(*parts, axis=len(parts[0].shape) - 1)


# ------------------------------------------------------------------------------------------------- LSTM


def _lstm_body(z: Any, c: Any) -> tuple[Any, Any]:
    i, f, g, o = _ends(z, 4)
    new = add(multiply(sigmoid(f), c), multiply(sigmoid(i), tanh(g)))
    return multiply(sigmoid(o), tanh(new)), new


def _lstm_gates(z: Any) -> tuple[Any, Any]:
    """The sigmoids of all four parts, one too many, as one call costs less than two, and the tanh of the third."""
    n = z.shape[-1] // 4
    return sigmoid_value(z), np.tanh(z[..., 2 * n : 3 * n])


def _parts(x: Any) -> list[Any]:
    n = x.shape[-1] // 4
    return [x[..., k * n : (k + 1) * n] for k in range(4)]


def _lstm_kernel(z: Any, c: Any) -> tuple[Any, Any]:
    gates, g = _lstm_gates(z)
    i, f, _, o = _parts(gates)
    new = f * c
    new += i * g
    h = np.tanh(new)
    h *= o
    return h, new


def _lstm_pullback(gs: Any, y: Any, z: Any, c: Any, *, needs: Sequence[Any]) -> tuple[Any, Any]:
    to_h, to_c = (space.zeros(c) if g is None else g for g in gs)
    return _lstm_slope(to_h, to_c, z, c)


def _lstm_slope_body(to_h: Any, to_c: Any, z: Any, c: Any) -> tuple[Any, Any]:
    i, f, g, o = _ends(z, 4)
    i, f, g, o = sigmoid(i), sigmoid(f), tanh(g), sigmoid(o)
    t = tanh(add(multiply(f, c), multiply(i, g)))
    to_new = add(to_c, multiply(multiply(to_h, o), subtract(1, square(t))))
    to_z = _joined(
        multiply(multiply(to_new, multiply(i, subtract(1, i))), g),
        multiply(multiply(to_new, multiply(f, subtract(1, f))), c),
        multiply(multiply(to_new, i), subtract(1, square(g))),
        multiply(multiply(to_h, t), multiply(o, subtract(1, o))),
    )
    return to_z, multiply(to_new, f)


def _lstm_slope_kernel(to_h: Any, to_c: Any, z: Any, c: Any) -> tuple[Any, Any]:
    gates, g = _lstm_gates(z)
    i, f, _, o = _parts(gates)
    t = f * c
    t += i * g
    np.tanh(t, t)
    to_new = 1 - t * t
    to_new *= to_h * o
    to_new += to_c
    to_z = np.subtract(1, gates, dtype=np.result_type(to_new, z))
    to_z *= gates
    to_i, to_f, to_g, to_o = _parts(to_z)
    to_i *= to_new
    to_i *= g
    to_f *= to_new
    to_f *= c
    np.multiply(to_new * i, 1 - g * g, out=to_g)
    to_o *= to_h * t
    return to_z, to_new * f


def _like(*positions: int) -> Any:
    """The spec of a mapping whose outputs have the shapes of these inputs."""

    def spec(*specs: Spec) -> Any:
        dtype = result_dtype(*specs)
        shapes = [Spec(specs[i].shape, dtype) for i in positions]
        return tuple(shapes) if len(shapes) > 1 else shapes[0]

    return spec


def _drawn(*parts: int) -> Any:
    """Samples whose arrays have so many parts of the size of one state on their last axis."""
    return fixed(
        lambda rng: [
            Sample(tuple(rng.normal(size=(*lead, part * size)) for part in parts))
            for lead, size in (((2,), 3), ((), 2), ((2, 2), 1))
        ]
    )


_lstm_slope = composite(
    "lstm_slope",
    _lstm_slope_body,
    _like(2, 3),
    kernel=_lstm_slope_kernel,
    uses=INPUTS,
    outputs=2,
    batch=lambda batched, xs: _lstm_slope(*repeated(batched, xs)),
    arguments=("to_h", "to_c", "z", "c"),
    formula=r"\operatorname{{LSTM}}'({z}, {c})^T ({to_h}, {to_c})",
    words="the gradients {to_h} and {to_c} pulled back through the gates {z} of an LSTM cell with the state {c}",
    lower=unsupported("lstm_slope: lowered through its body"),
    onnx=unsupported("lstm_slope: it belongs to the way back, and training is not exported"),
    samples=_drawn(1, 1, 4, 1),
)

_lstm_cell = composite(
    "lstm_cell",
    _lstm_body,
    _like(1, 1),
    kernel=_lstm_kernel,
    pullback=_lstm_pullback,
    uses=INPUTS,
    outputs=2,
    batch=lambda batched, xs: _lstm_cell(*repeated(batched, xs)),
    arguments=("z", "c"),
    formula=r"c' = \sigma({z}_f) \cdot {c} + \sigma({z}_i) \tanh({z}_g), \quad h' = \sigma({z}_o) \tanh(c')",
    words="the new output and the new state of an LSTM cell with the weighted inputs {z} and the state {c}",
    lower=unsupported("lstm_cell: lowered through its body"),
    onnx=unsupported("lstm_cell: ONNX has whole LSTM layers only; exported through its body"),
    samples=_drawn(4, 1),
)

# -------------------------------------------------------------------------------------------------- GRU


def _gru_body(a: Any, b: Any, h: Any) -> Any:
    (a_r, a_z, a_n), (b_r, b_z, b_n) = _ends(a, 3), _ends(b, 3)
    n = tanh(add(a_n, multiply(sigmoid(add(a_r, b_r)), b_n)))
    return add(n, multiply(sigmoid(add(a_z, b_z)), subtract(h, n)))


def _gru_gates(a: Any, b: Any) -> tuple[Any, Any, Any]:
    n = a.shape[-1] // 3
    both = sigmoid_value(a[..., : 2 * n] + b[..., : 2 * n])
    r, z = both[..., :n], both[..., n:]
    return r, z, np.tanh(a[..., 2 * n :] + r * b[..., 2 * n :])


def _gru_kernel(a: Any, b: Any, h: Any) -> Any:
    _, z, n = _gru_gates(a, b)
    return n + z * (h - n)


def _gru_slope_body(g: Any, a: Any, b: Any, h: Any) -> tuple[Any, Any, Any]:
    (a_r, a_z, a_n), (b_r, b_z, b_n) = _ends(a, 3), _ends(b, 3)
    r, z = sigmoid(add(a_r, b_r)), sigmoid(add(a_z, b_z))
    n = tanh(add(a_n, multiply(r, b_n)))
    to_n = multiply(multiply(g, subtract(1, z)), subtract(1, square(n)))
    to_z = multiply(multiply(g, multiply(z, subtract(1, z))), subtract(h, n))
    to_r = multiply(multiply(to_n, multiply(r, subtract(1, r))), b_n)
    return _joined(to_r, to_z, to_n), _joined(to_r, to_z, multiply(to_n, r)), multiply(g, z)


def _gru_slope_kernel(g: Any, a: Any, b: Any, h: Any) -> tuple[Any, Any, Any]:
    r, z, n = _gru_gates(a, b)
    to_n = g * (1 - z) * (1 - n * n)
    size = h.shape[-1]
    to_a = np.empty(a.shape, np.result_type(to_n, a))
    np.multiply(to_n * (r * (1 - r)), b[..., 2 * size :], out=to_a[..., :size])
    np.multiply(g * (z * (1 - z)), h - n, out=to_a[..., size : 2 * size])
    to_a[..., 2 * size :] = to_n
    to_b = to_a.copy()
    to_b[..., 2 * size :] *= r
    return to_a, to_b, g * z


_gru_slope = composite(
    "gru_slope",
    _gru_slope_body,
    _like(1, 2, 3),
    kernel=_gru_slope_kernel,
    uses=INPUTS,
    outputs=3,
    batch=lambda batched, xs: _gru_slope(*repeated(batched, xs)),
    arguments=("g", "a", "b", "h"),
    formula=r"\operatorname{{GRU}}'({a}, {b}, {h})^T {g}",
    words="the gradient {g} pulled back through the gates {a} and {b} of a GRU cell with the state {h}",
    lower=unsupported("gru_slope: lowered through its body"),
    onnx=unsupported("gru_slope: it belongs to the way back, and training is not exported"),
    samples=_drawn(1, 3, 3, 1),
)

_gru_cell = composite(
    "gru_cell",
    _gru_body,
    _like(2),
    kernel=_gru_kernel,
    pullback=lambda g, y, a, b, h, *, needs: _gru_slope(g, a, b, h),
    uses=INPUTS,
    batch=lambda batched, xs: _gru_cell(*repeated(batched, xs)),
    arguments=("a", "b", "h"),
    formula=(
        r"(1 - z) \cdot \tanh({a}_n + \sigma({a}_r + {b}_r) \cdot {b}_n) + z \cdot {h}, \quad z = \sigma({a}_z + {b}_z)"
    ),
    words="the new state of a GRU cell with the weighted inputs {a}, the weighted state {b} and the state {h}",
    lower=unsupported("gru_cell: lowered through its body"),
    onnx=unsupported("gru_cell: ONNX has whole GRU layers only; exported through its body"),
    samples=_drawn(3, 3, 1),
)
