"""Indexing against NumPy, for values, gradients and every transform."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import pullback as pb

# ------------------------------------------------------------------------------------------------ getitem

BASIC = [
    0,
    -1,
    slice(None),
    slice(1, None),
    slice(None, None, -2),
    (1, 2),
    (slice(None), 1),
    (..., 0),
    (None, 1),
    (slice(0, 2), None, slice(None), -1),
    (...,),
    (),
    (slice(2, 1),),
    None,
]
ADVANCED = [
    [0, 0, 2],
    np.array([[1, -1], [0, 0]]),
    (slice(None), [0, 2, 2]),
    ([0, 1, 1], [2, 0, 0]),
    ([[0], [1]], [1, 2]),
    (slice(None), [0, 1], [1, 1]),
    ([0, 1, 1], slice(None), [1, 0, 0]),
    ([0, 1], slice(1, 3), 1),
    (0, slice(None), [1, 1]),
    (None, [0, 2], None),
    (slice(None, None, -1), [1, 1], slice(0, 1)),
    ([0, 1], None, [1, 2]),
    (..., [0, 1]),
    np.array([0, 1, 1], dtype=np.uint64),
    np.zeros((0,), np.int64),
    [],
    np.int32(2),
    range(2),
]


@pytest.mark.parametrize("index", BASIC + ADVANCED, ids=repr)
def test_getitem_is_numpys(index, check, rng):
    x = rng.normal(size=(3, 4, 2))
    check(lambda x: pb.getitem(x, index), x, expected=x[index])


def test_getitem_of_masks(check, rng):
    x = rng.normal(size=(3, 4))
    for mask in (x > 0, (x[:, 0] > 0,), (slice(None), x[0] > 0), (x[:, 0] < 9, 1), (..., x[0] < 0)):
        check(lambda x, mask=mask: pb.getitem(x, mask), x, expected=x[mask])
    check(lambda x: pb.getitem(x, [True, False, True]), x, expected=x[[True, False, True]])


def test_tensor_indices(rng):
    x = rng.normal(size=(3, 4))
    t = pb.tensor(x)
    i = pb.tensor([2, 0, 0])
    np.testing.assert_array_equal(t[i].numpy(), x[[2, 0, 0]])
    np.testing.assert_array_equal(t[:, pb.tensor(1)].numpy(), x[:, 1])
    np.testing.assert_array_equal(t[pb.tensor(2) : 3].numpy(), x[2:3])
    np.testing.assert_array_equal(t[t > 0].numpy(), x[x > 0])
    np.testing.assert_array_equal(t[i, pb.tensor([1, 1, 3])].numpy(), x[[2, 0, 0], [1, 1, 3]])


@given(data=st.data())
def test_any_basic_index(data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4))
    x = np.arange(np.prod(shape, dtype=int), dtype=np.float64).reshape(shape)
    index = data.draw(hnp.basic_indices(shape, allow_newaxis=True))
    np.testing.assert_array_equal(np.array(pb.tensor(x)[index]), x[index])


@given(data=st.data())
def test_any_advanced_index_and_its_gradient(data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4))
    x = np.arange(np.prod(shape, dtype=int), dtype=np.float64).reshape(shape)
    common = data.draw(hnp.array_shapes(min_dims=1, max_dims=2, max_side=3))
    entries = []
    for n in shape:
        kind = data.draw(st.sampled_from(["int", "slice", "array", "new"]))
        if kind == "new":
            entries.append(None)
        if kind == "int":
            entries.append(data.draw(st.integers(-n, n - 1)))
        elif kind == "slice":
            entries.append(data.draw(st.slices(n)))
        else:
            entries.append(data.draw(hnp.arrays(np.int64, common, elements=st.integers(-n, n - 1))))
    index = tuple(entries)
    t = pb.tensor(x, requires_grad=True)
    y = t[index]
    np.testing.assert_array_equal(np.array(y.detach()), x[index])
    weights = np.random.default_rng(0).integers(-5, 5, y.shape).astype(np.float64)
    y.backward(weights)
    want = np.zeros(shape)
    np.add.at(want, index, weights)
    np.testing.assert_array_equal(t.grad.numpy(), want)


def test_positions_may_be_batched_or_traced(rng):
    x = rng.normal(size=(5, 3))
    i = np.array([[0, 4, 4], [1, 1, 2]])
    np.testing.assert_array_equal(pb.vmap(lambda i: pb.asarray(x)[i])(i).numpy(), x[i])
    own = np.array([2, 0, 1, 1, 0])
    np.testing.assert_array_equal(pb.vmap(lambda x, j: x[j])(x, own).numpy(), x[np.arange(5), own])
    np.testing.assert_array_equal(pb.trace(lambda x, i: x[i])(x, i).numpy(), x[i])
    cube = rng.normal(size=(4, 3, 2, 3))
    j = rng.integers(0, 3, (4, 2))
    got = pb.vmap(lambda c, j: c[j, :, j])(cube, j).numpy()
    np.testing.assert_array_equal(got, np.stack([c[k, :, k] for c, k in zip(cube, j, strict=True)]))
    got = pb.vmap(lambda c, j: c[:, :, j])(cube, j).numpy()
    np.testing.assert_array_equal(got, np.stack([c[:, :, k] for c, k in zip(cube, j, strict=True)]))
    got = pb.vmap(lambda j: pb.asarray(cube)[0, :, 0, j])(j).numpy()
    np.testing.assert_array_equal(got, np.stack([cube[0, :, 0, k] for k in j]))
    got = pb.vmap(lambda j: pb.asarray(cube)[:, :, :, j])(j).numpy()
    np.testing.assert_array_equal(got, np.stack([cube[:, :, :, k] for k in j]))

    slope = pb.vmap(pb.grad(lambda x, i: pb.sum(x[i] ** 2)), in_axes=(None, 0))(x, i).numpy()
    for k in range(2):
        want = np.zeros((5, 3))
        np.add.at(want, i[k], 2 * x[i[k]])
        np.testing.assert_allclose(slope[k], want, rtol=1e-12)


def test_masks_need_known_values():
    x = np.array([1.0, -2.0])
    for transformed in (pb.trace(lambda x: x[x > 0]), pb.vmap(lambda x: x[x > 0])):
        with pytest.raises(pb.TraceError, match=r"pb\.where\(x > 0"):
            transformed(np.stack([x, x]))


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (5, "index 5 is out of bounds for axis 0 with size 3"),
        ((0, [0, 7]), "index 7 is out of bounds for axis 1 with size 4"),
        ((0, 0, 0), "3 were indexed"),
        ((0, 0, [0]), "3 indices for an array with 2 axes"),
        (1.0, "got float"),
        ("a", "got str"),
        ([0.5], "must be integers"),
        (True, "single truth value"),
        ((..., ...), "one ellipsis"),
        (([0], ..., [0]), None),
        ((slice(None), [True, False]), r"mask of shape \(2,\)"),
    ],
)
def test_wrong_indices(index, message):
    x = pb.tensor(np.zeros((3, 4)))
    if message is None:
        with pytest.raises(IndexError, match="leave out the ellipsis"):
            x[index]
        return
    with pytest.raises(IndexError, match=message):
        x[index]


# --------------------------------------------------------------------------------------------- take


def test_take(check, rng):
    x = rng.normal(size=(3, 4, 2))
    for indices, axis in (([0, 2, 2], 0), ([[1, -1], [3, 3]], 1), (1, -1), (np.zeros((0,), int), 0)):
        check(lambda x, i=indices, a=axis: pb.take(x, i, axis=a), x, expected=np.take(x, indices, axis=axis))
    check(lambda x: pb.take(x, [2, 0]), x[:, 0, 0], expected=x[[2, 0], 0, 0])
    with pytest.raises(pb.ShapeError, match="axis is needed"):
        pb.take(x, [0])
    with pytest.raises(pb.ShapeError, match="axis 3 does not exist"):
        pb.take(x, [0], axis=3)
    with pytest.raises(IndexError, match="index 9 is out of bounds for axis 1 with size 4"):
        pb.take(x, [9], axis=1)


def test_take_along_axis(check, rng):
    x = rng.normal(size=(3, 4, 2))
    for shape, axis in (((3, 1, 2), 1), ((3, 5, 2), 1), ((2, 4, 2), 0), ((3, 4, 1), -1)):
        indices = rng.integers(-x.shape[axis], x.shape[axis], shape)
        want = np.take_along_axis(x, indices, axis)
        check(lambda x, i=indices, a=axis: pb.take_along_axis(x, i, a), x, expected=want)
    rows = rng.integers(0, 4, (1, 2, 2))
    check(lambda x: pb.take_along_axis(x, rows, 1), x, expected=np.take_along_axis(x, rows, 1))
    labels = rng.integers(0, 4, (3, 1))
    got = pb.vmap(lambda row, label: pb.take_along_axis(row, label, 0))(x[:, :, 0], labels)
    np.testing.assert_array_equal(got.numpy(), np.take_along_axis(x[:, :, 0], labels, 1))
    with pytest.raises(pb.ShapeError, match="indices"):
        pb.take_along_axis(x, rng.integers(0, 2, (2, 1, 2)), 1)
    with pytest.raises(IndexError):
        pb.take_along_axis(x, np.full((3, 1, 2), 4), 1)
    with pytest.raises(pb.ShapeError, match="axis 3"):
        pb.take_along_axis(x, np.zeros((3, 1, 2), int), 3)


# -------------------------------------------------------------------------------------- add and set

PLACES = [
    0,
    slice(1, None),
    (slice(None), 1),
    (..., 0),
    [0, 0, 2],
    ([0, 1, 1], [2, 0, 0]),
    (slice(None), [1, 1, 3]),
    ([0, 2, 2], slice(None), [1, 0, 0]),
    (slice(0, 2), [3, 3], 1),
    (None, [0, 2]),
    np.array([True, False, True]),
    [],
]


@pytest.mark.parametrize("index", PLACES, ids=repr)
def test_index_add_and_set(index, check, rng):
    x = rng.normal(size=(3, 4, 2))
    shape = x[index].shape
    for values in (rng.normal(size=shape), np.asarray(rng.normal())):
        added = np.array(x)
        np.add.at(added, index, values)
        check(lambda x, v: pb.index_add(x, index, v), x, values, expected=added)
        assigned = np.array(x)
        assigned[index] = values
        check(lambda x, v: pb.index_set(x, index, v), x, values, expected=assigned)


def test_the_last_value_stays_and_gets_the_gradient():
    x, v = pb.tensor(np.zeros(3)), pb.tensor(np.array([1.0, 2.0, 3.0]))
    i = [1, 1, 0]
    np.testing.assert_array_equal(pb.index_set(x, i, v).numpy(), [3.0, 2.0, 0.0])
    gx, gv = pb.grad(lambda x, v: pb.sum(pb.index_set(x, i, v) * np.array([10.0, 20.0, 30.0])), argnums=(0, 1))(x, v)
    np.testing.assert_array_equal(gx.numpy(), [0.0, 0.0, 30.0])
    np.testing.assert_array_equal(gv.numpy(), [0.0, 20.0, 10.0])


def test_at():
    x = pb.tensor([1.0, 2.0, 3.0])
    assert x.at[0].set(9.0).tolist() == [9.0, 2.0, 3.0]
    assert x.at[[0, 0]].add(1.0).tolist() == [3.0, 2.0, 3.0]
    assert x.at[x > 1].set(0.0).tolist() == [1.0, 0.0, 0.0]
    assert x.tolist() == [1.0, 2.0, 3.0]


def test_batched_positions_in_add_and_set(rng):
    x, v = rng.normal(size=(2, 4, 3)), rng.normal(size=(2, 2, 3))
    i = np.array([[0, 3], [1, 1]])
    for name, f in (("add", pb.index_add), ("set", pb.index_set)):
        got = pb.vmap(f)(x, i, v).numpy()
        want = np.array(x)
        for k in range(2):
            if name == "add":
                np.add.at(want[k], i[k], v[k])
            else:
                want[k][i[k]] = v[k]
        np.testing.assert_allclose(got, want, rtol=1e-13)
        shared = pb.vmap(f, in_axes=(None, 0, None))(x[0], i, v[0]).numpy()
        alone = np.stack([np.array(f(x[0], i[k], v[0])) for k in range(2)])
        np.testing.assert_array_equal(shared, alone)
    slope = pb.vmap(pb.grad(lambda v, x, i: pb.sum(pb.index_set(x, i, v) ** 2)))(v, x, i).numpy()
    np.testing.assert_allclose(slope[0], 2 * v[0])
    np.testing.assert_allclose(slope[1], [np.zeros(3), 2 * v[1, 1]])


def test_values_that_do_not_fit():
    x = pb.tensor(np.zeros((3, 4)))
    with pytest.raises(pb.ShapeError, match=r"values of shape \(3,\) do not fit the place, whose shape is \(4,\)"):
        pb.index_set(x, 0, np.zeros(3))
    with pytest.raises(pb.DtypeError, match="int64"):
        pb.index_add(pb.tensor([1, 2]), 0, 1.5)
    with pytest.raises(IndexError, match="index 3 is out of bounds for axis 0 with size 3"):
        pb.index_add(x, [3], 1.0)
    with pytest.raises(IndexError, match="index -5 is out of bounds for axis 1 with size 4"):
        pb.index_set(x, (slice(None), [-5]), 1.0)
    assert pb.index_set(pb.tensor([1, 2]), 0, 7).tolist() == [7, 2]
    assert pb.index_add(pb.tensor(np.zeros(2, np.float32)), 0, np.float64(1)).dtype == np.float32


def test_float32_scatter_keeps_its_dtype(rng):
    table = pb.tensor(rng.normal(size=(5, 3)).astype(np.float32), requires_grad=True)
    table[[0, 0, 4]].sum().backward()
    assert table.grad.dtype == np.float32
    np.testing.assert_array_equal(table.grad.numpy()[:, 0], [2, 0, 0, 0, 1])


def test_one_hot():
    assert pb.one_hot([[2, 0]], 3).tolist() == [[[0, 0, 1], [1, 0, 0]]]
    assert pb.one_hot(pb.tensor([1]), 2, dtype="int64").dtype == np.int64
    got = pb.trace(lambda i: pb.one_hot(i, 3))(np.array([1, 2]))
    assert got.tolist() == pb.vmap(lambda i: pb.one_hot(i, 3))(np.array([1, 2])).tolist() == [[0, 1, 0], [0, 0, 1]]
    for wrong in (3, -1):
        with pytest.raises(IndexError, match=f"class {wrong} does not exist, there are 3 classes"):
            pb.one_hot([wrong], 3)
    with pytest.raises(IndexError, match="must be integers"):
        pb.one_hot([0.5], 3)
