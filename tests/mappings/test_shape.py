"""Shapes, dtypes, joining, diagonals and creation against NumPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import pullback as pb

VIEWS = {
    "reshape": (lambda p, x: p.reshape(x, (4, -1)), lambda x: x.reshape(4, -1)),
    "permute_dims": (lambda p, x: p.permute_dims(x, (2, 0, 1)), None),
    "matrix_transpose": (lambda p, x: p.matrix_transpose(x), None),
    "moveaxis": (lambda p, x: p.moveaxis(x, 0, -1), None),
    "moveaxis of several": (lambda p, x: p.moveaxis(x, (0, 1), (-1, 0)), None),
    "swapaxes": (lambda p, x: p.swapaxes(x, 0, -1), None),
    "expand_dims": (lambda p, x: p.expand_dims(x, 1), None),
    "expand_dims of several": (lambda p, x: p.expand_dims(x, (0, -1)), None),
    "squeeze": (lambda p, x: p.squeeze(x[:, :1]), None),
    "squeeze of one": (lambda p, x: p.squeeze(x[:1, :, :1], 2), lambda x: x[:1, :, 0]),
    "flatten": (lambda p, x: p.flatten(x, 1), lambda x: x.reshape(2, -1)),
    "flip": (lambda p, x: p.flip(x), None),
    "flip of one": (lambda p, x: p.flip(x, -2), lambda x: np.flip(x, -2)),
    "roll": (lambda p, x: p.roll(x, 2), None),
    "roll of several": (lambda p, x: p.roll(x, (1, -5), (0, 1)), None),
    "roll by nothing": (lambda p, x: p.roll(x, 4, 2), None),
    "tile": (lambda p, x: p.tile(x, (2, 1, 3)), None),
    "tile with more axes": (lambda p, x: p.tile(x[0], (2, 1, 3)), None),
    "tile with fewer": (lambda p, x: p.tile(x, 2), None),
    "repeat": (lambda p, x: p.repeat(x, 2), None),
    "repeat along": (lambda p, x: p.repeat(x, 3, 1), lambda x: np.repeat(x, 3, 1)),
    "repeat each": (lambda p, x: p.repeat(x, [2, 0, 1], 1), lambda x: np.repeat(x, [2, 0, 1], 1)),
    "pad": (lambda p, x: p.pad(x, 1), None),
    "pad of pairs": (lambda p, x: p.pad(x, [(0, 1), (2, 0), (0, 0)]), None),
    "pad of a constant": (lambda p, x: p.pad(x, (1, 2), constant_values=7.5), None),
    "tril": (lambda p, x: p.tril(x), None),
    "triu": (lambda p, x: p.triu(x, 1), None),
    "diagonal": (lambda p, x: p.diagonal(x, 1), None),
    "diagonal of axes": (lambda p, x: p.diagonal(x, -1, 2, 1), None),
    "diag": (lambda p, x: p.diag(x[0, 0], 1), None),
    "diag of a matrix": (lambda p, x: p.diag(x[0], -1), None),
    "broadcast_to": (lambda p, x: p.broadcast_to(x[:, :1], (3, 2, 5, 4)), None),
}


@pytest.mark.parametrize("name", VIEWS)
def test_moves(name, check, rng):
    ours, numpys = VIEWS[name]
    x = rng.normal(size=(2, 3, 4))
    want = ours(np, x) if numpys is None else numpys(x)
    check(lambda x: ours(pb, x), x, expected=want)
    check(lambda x: ours(pb, x), rng.normal(size=(4, 3, 2)).T, second=False)


def test_numbers(check):
    check(lambda x: pb.reshape(x, (1, 1)), 2.0)
    check(lambda x: pb.expand_dims(x, 0), 2.0)
    check(lambda x: pb.flatten(x), 2.0, expected=[2.0])
    check(lambda x: pb.flip(x), 2.0)
    check(lambda x: pb.tile(x, 3), 2.0, expected=[2.0] * 3)
    check(lambda x: pb.repeat(x, 2), 2.0, expected=[2.0] * 2)
    check(lambda x: pb.stack([x, x]), 2.0, expected=[2.0, 2.0])
    check(lambda x: pb.pad(x, 1), 2.0, expected=2.0)
    check(lambda x: pb.squeeze(x), 2.0)


def test_empty():
    x = np.zeros((0, 3))
    assert pb.reshape(x, (3, 0, 5)).shape == (3, 0, 5)
    assert pb.pad(x, 1).shape == (2, 5)
    assert pb.roll(x, 1).shape == pb.flip(x).shape == (0, 3)
    assert pb.tile(x, (2, 2)).shape == (0, 6) and pb.repeat(x, 0, 1).shape == (0, 0)
    assert pb.concat([x, np.ones((1, 3))]).tolist() == [[1, 1, 1]]
    assert pb.grad(lambda x: pb.sum(pb.pad(x, 1)))(x).shape == (0, 3)


# ------------------------------------------------------------------------------------- several arrays


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_joining(axis, check, rng):
    x, y = rng.normal(size=(2, 2, 3, 2))
    check(lambda x, y: pb.concat([x, y, x], axis), x, y, expected=np.concatenate([x, y, x], axis))
    check(lambda x, y: pb.stack([x, y, x], axis), x, y, expected=np.stack([x, y, x], axis))
    ones = np.ones(x.shape)
    check(lambda x: pb.concat([x, ones, x], axis), x, expected=np.concatenate([x, ones, x], axis))
    check(lambda x, y: pb.concat([x, y], axis=None), x, y, expected=np.concatenate([x, y], axis=None))
    check(lambda x: pb.unstack(x, axis)[1], x, expected=np.unstack(x, axis=axis)[1])
    for part, want in zip(pb.split(x, x.shape[axis], axis), np.split(x, x.shape[axis], axis), strict=True):
        np.testing.assert_array_equal(part.numpy(), want)
    for part, want in zip(pb.split(x, [1, 1], axis), np.split(x, [1, 1], axis), strict=True):
        np.testing.assert_array_equal(part.numpy(), want)
    check(lambda x: pb.sum(pb.split(x, [1], axis)[1] ** 2), x)


def test_zero_tangents_are_filled_in(rng):
    x, t = rng.normal(size=(2, 3))
    _, tangent = pb.jvp(lambda x: pb.concat([x, np.ones(2), x * 0 + 1]), (x,), (t,))
    np.testing.assert_array_equal(tangent.numpy(), [*t, 0, 0, 0, 0, 0])
    shared = pb.vmap(lambda x, c: pb.concat([x, c]), in_axes=(0, None))(np.stack([x, t]), np.ones(1))
    np.testing.assert_array_equal(shared.numpy(), [[*x, 1], [*t, 1]])


def test_broadcast_and_grids(check, rng):
    x, y = rng.normal(size=3), rng.normal(size=(2, 1))
    for got, want in zip(pb.broadcast_arrays(x, y), np.broadcast_arrays(x, y), strict=True):
        np.testing.assert_array_equal(got.numpy(), want)
    for indexing in ("xy", "ij"):
        parts = (x, y[:, 0], np.ones(2))
        for k, want in enumerate(np.meshgrid(*parts, indexing=indexing)):
            check(lambda *ps, k=k, i=indexing: pb.meshgrid(*ps, indexing=i)[k], *parts, expected=want, second=False)
    assert pb.meshgrid(x)[0].shape == (3,)


@given(data=st.data())
def test_any_shape_reshapes_and_back(data):
    shapes = hnp.array_shapes(max_dims=4, min_side=0, max_side=3)
    x = data.draw(hnp.arrays(np.float64, shapes, elements=st.floats(-1, 1)))
    axes = data.draw(st.permutations(range(x.ndim)))
    t = pb.tensor(x)
    np.testing.assert_array_equal(pb.permute_dims(t, axes).numpy(), np.transpose(x, axes))
    np.testing.assert_array_equal(pb.reshape(pb.flatten(t), x.shape).numpy(), x)


WRONG = [
    (lambda x: pb.reshape(x, (4,)), r"reshape: an array of shape \(2, 3\) \(6 elements\) does not fit"),
    (lambda x: pb.permute_dims(x, (0, 0)), "each of the 2 axes"),
    (lambda x: pb.broadcast_to(x, (2, 4)), r"shape \(2, 3\) does not broadcast to \(2, 4\)"),
    (lambda x: pb.squeeze(x, 0), "has length 2, not 1"),
    (lambda x: pb.expand_dims(x, 3), "expand_dims: axis 3 does not exist in an array with 3 axes"),
    (lambda x: pb.moveaxis(x, (0, 1), 0), "source names 2 axes and destination 1"),
    (lambda x: pb.moveaxis(x, (0, 0), (0, 1)), "named twice"),
    (lambda x: pb.swapaxes(x, 0, 2), "axis 2 does not exist"),
    (lambda x: pb.matrix_transpose(x[0]), "at least two axes"),
    (lambda x: pb.flatten(x, 1, 0), "lies behind"),
    (lambda x: pb.concat([x, x[0]]), r"array 0: \(2, 3\), array 1: \(3,\)"),
    (lambda x: pb.concat([x, x[:, :2]]), r"array 1: \(2, 2\)"),
    (lambda x: pb.concat([]), "at least one array"),
    (lambda x: pb.concat([x], 2), "axis 2 does not exist"),
    (lambda x: pb.concat([x[0, 0]]), "axis 0 does not exist"),
    (lambda x: pb.stack([x, x[0]]), "must have one shape"),
    (lambda x: pb.stack([]), "at least one array"),
    (lambda x: pb.split(x, 2, 1), "cannot be divided into 2 equal parts"),
    (lambda x: pb.pad(x, [(1, 1)] * 3), "does not fit"),
    (lambda x: pb.pad(x, -1), "negative width"),
    (lambda x: pb.roll(x, (1, 2, 3), (0, 1)), "3 shifts for 2 axes"),
    (lambda x: pb.repeat(x, [1, 2], 1), "do not fit axis 1 of length 3"),
    (lambda x: pb.tril(x[0]), "at least two axes"),
    (lambda x: pb.diag(pb.zeros((2, 2, 2))), "a vector or a matrix"),
    (lambda x: pb.broadcast_arrays(x, np.zeros(2)), "do not broadcast together"),
    (lambda x: pb.meshgrid(x), "must have one axis"),
]


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_wrong_shapes(call, message):
    with pytest.raises(pb.ShapeError, match=message):
        call(pb.tensor(np.zeros((2, 3))))


# ---------------------------------------------------------------------------------- dtype and creation


def test_astype(rng):
    x = rng.normal(size=3)
    _, pullback = pb.vjp(lambda x: pb.astype(x, np.float32), x)
    g = pullback(np.ones(3, np.float32))[0]
    assert g.dtype == np.float64 and g.tolist() == [1, 1, 1]
    assert pb.jvp(lambda x: pb.astype(x, "float32"), (x,), (x,))[1].dtype == np.float32
    assert pb.astype(pb.tensor([1.7, -1.7]), int).tolist() == [1, -1]
    assert pb.astype(pb.tensor([0, 2]), bool).tolist() == [False, True]
    assert not pb.astype(pb.tensor([1.0], requires_grad=True), int).requires_grad
    assert pb.astype(pb.tensor([1], dtype="int32"), "float32").dtype == np.float32
    assert pb.vmap(lambda x: pb.astype(x, int))(x).dtype == np.int64
    for bad in ((x, "complex128"), (np.array([1j]), "float64")):
        with pytest.raises(pb.DtypeError, match="complex"):
            pb.astype(*bad)


def test_creation():
    assert pb.zeros((2, 3)).dtype == pb.ones(2).dtype == pb.empty(()).dtype == np.float32
    assert pb.zeros((2,), dtype="int64").dtype == np.int64
    assert pb.full((2,), 7).dtype == np.int64 and pb.full((), 0.5).dtype == np.float32
    assert pb.full((2,), True).dtype == bool and pb.full(2, np.float64(1)).dtype == np.float64
    x = pb.tensor(np.ones((2, 3)))
    for like in (pb.zeros_like, pb.ones_like, pb.empty_like):
        assert like(x).shape == (2, 3) and like(x).dtype == np.float64
    assert pb.full_like(x, 2, dtype="float32").tolist() == [[2.0] * 3] * 2
    assert pb.full_like(x, 2).dtype == np.float64
    assert pb.arange(3).dtype == np.int64 and pb.arange(3.0).dtype == np.float32
    np.testing.assert_array_equal(pb.arange(5, 0, -2).numpy(), [5, 3, 1])
    np.testing.assert_allclose(pb.linspace(0, 1, 5, dtype="float64").numpy(), np.linspace(0, 1, 5))
    np.testing.assert_allclose(pb.linspace(0, 1, 4, endpoint=False).numpy(), [0, 0.25, 0.5, 0.75])
    np.testing.assert_array_equal(pb.eye(2, 3, k=1).numpy(), np.eye(2, 3, 1))
    assert pb.grad(lambda v: pb.sum(pb.full((2, 2), v)))(3.0).item() == 4
    with pytest.raises(pb.ShapeError, match="negative"):
        pb.zeros((-1,))
    with pytest.raises(pb.ShapeError, match="one number"):
        pb.full((2,), [1.0, 2.0])
    with pytest.raises(ValueError, match="step"):
        pb.arange(0, 1, 0)
    with pytest.raises(ValueError, match="cpu"):
        pb.zeros(2, device="gpu")
    assert isinstance(pb.grad(lambda x: pb.sum(x * pb.ones(3)))(pb.zeros(3)), pb.Tensor)
