"""Products of matrices and Einstein sums against NumPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pullback as pb

SHAPES = [
    ((2, 3), (3, 4)),
    ((3,), (3,)),
    ((3,), (3, 4)),
    ((2, 3), (3,)),
    ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)),
    ((5, 2, 3), (5, 3, 1)),
    ((2, 1, 2, 3), (3, 3, 2)),
    ((3,), (5, 3, 4)),
    ((5, 2, 3), (3,)),
    ((1, 1), (1, 1)),
    ((0, 3), (3, 2)),
    ((2, 0), (0, 2)),
    ((4, 0, 3), (3, 2)),
]


@pytest.mark.parametrize(("left", "right"), SHAPES)
def test_matmul(left, right, check, rng):
    a, b = rng.normal(size=left), rng.normal(size=right)
    check(pb.matmul, a, b, expected=np.matmul(a, b), second=a.size * b.size < 100)
    check(lambda a: a @ pb.tensor(b), a, expected=a @ b, second=False)


def test_matmul_of_strided_arrays(check, rng):
    a, b = rng.normal(size=(6, 4))[::2, ::-1].T, rng.normal(size=(2, 3)).T
    check(pb.matmul, a, b, expected=a @ b)


@pytest.mark.parametrize(("left", "right"), SHAPES[:9])
def test_matmul_batches_one_side_only(left, right, rng):
    a, b = rng.normal(size=(3, *left)), rng.normal(size=(3, *right))
    got = pb.vmap(pb.matmul, in_axes=(0, None))(a, b[0]).numpy()
    np.testing.assert_allclose(got, np.stack([x @ b[0] for x in a]), rtol=1e-12, atol=1e-14)
    got = pb.vmap(pb.matmul, in_axes=(None, 0))(a[0], b).numpy()
    np.testing.assert_allclose(got, np.stack([a[0] @ x for x in b]), rtol=1e-12, atol=1e-14)


def test_the_way_back_of_a_matrix_product_is_two_products_without_copies(monkeypatch, rng):
    from pullback.mappings import linalg

    calls = []
    kernel = linalg._matmul.evaluate
    monkeypatch.setattr(linalg._matmul, "evaluate", lambda a, b: calls.append((a, b)) or kernel(a, b))
    a, b = (pb.tensor(rng.normal(size=s), requires_grad=True) for s in ((2, 3), (3, 4)))
    (a @ b).backward(np.ones((2, 4)))
    assert len(calls) == 3
    assert np.shares_memory(calls[1][1], b.numpy()) and calls[1][1].shape == (4, 3)
    assert np.shares_memory(calls[2][0], a.numpy()) and calls[2][0].shape == (3, 2)


def test_matmul_refuses():
    a = pb.tensor(np.zeros((2, 3)))
    with pytest.raises(pb.ShapeError, match=r"a has 3 columns but b has 4 rows \(a: \(2, 3\), b: \(4, 2\)\)"):
        pb.matmul(a, np.zeros((4, 2)))
    with pytest.raises(pb.ShapeError, match="a has 3 columns but b has 2 rows"):
        a @ np.zeros(2)
    with pytest.raises(pb.ShapeError, match="do not broadcast"):
        pb.matmul(np.zeros((2, 2, 3)), np.zeros((3, 3, 2)))
    with pytest.raises(pb.ShapeError, match="a number is no matrix"):
        a @ 2.0
    with pytest.raises(pb.ShapeError, match="columns"):
        pb.trace(pb.matmul)(np.zeros((2, 3)), np.zeros((4, 2)))


def test_dtypes():
    a = np.ones((2, 2), np.float32)
    assert (pb.tensor(a) @ a).dtype == np.float32
    assert pb.matmul(a, np.ones((2, 2))).dtype == np.float64
    assert pb.matmul(pb.tensor([[1, 2]]), pb.tensor([[3], [4]])).tolist() == [[11]]
    assert pb.matmul([[1.0, 2.0]], [[3.0], [4.0]]).tolist() == [[11.0]]
    ga, gb = pb.grad(lambda a, b: pb.sum(a @ b), argnums=(0, 1))(pb.tensor(a), pb.tensor(np.ones((2, 2))))
    assert ga.dtype == np.float32 and gb.dtype == np.float64


def test_vector_products(check, rng):
    a, b = rng.normal(size=(2, 4, 3))
    check(pb.vecdot, a, b, expected=np.vecdot(a, b))
    check(lambda a, b: pb.vecdot(a, b, axis=0), a, b, expected=np.sum(a * b, 0))
    check(pb.vecdot, a, b[0], expected=np.vecdot(a, b[0]))
    check(pb.outer, a[0], b[:, 0], expected=np.outer(a[0], b[:, 0]))
    check(pb.inner, a, b, expected=np.inner(a, b))
    check(pb.inner, a[0], b[0], expected=np.inner(a[0], b[0]))
    check(pb.inner, a, 2.0, expected=np.inner(a, 2.0))
    with pytest.raises(pb.ShapeError, match="vecdot"):
        pb.vecdot(a, b[:, :2])
    with pytest.raises(pb.ShapeError, match="outer"):
        pb.outer(a, b)
    with pytest.raises(pb.ShapeError, match="differ in length"):
        pb.inner(a, b[:, :2])


@pytest.mark.parametrize("axes", [0, 1, 2, ([0], [1]), ([1, 2], [0, 1]), ([-1, 0], [1, -1])], ids=repr)
def test_tensordot(axes, check, rng):
    a, b = rng.normal(size=(2, 3, 2)), rng.normal(size=(3, 2, 2)) if axes != 1 else rng.normal(size=(2, 3))
    if axes == 2:
        a = rng.normal(size=(2, 3, 2))
    check(lambda a, b: pb.tensordot(a, b, axes), a, b, expected=np.tensordot(a, b, axes), second=False)


def test_tensordot_refuses():
    with pytest.raises(pb.ShapeError, match=r"differ in length \(a: \(2, 3\), b: \(2, 3\)\)"):
        pb.tensordot(np.zeros((2, 3)), np.zeros((2, 3)), 1)
    with pytest.raises(pb.ShapeError, match="3 axes cannot be summed"):
        pb.tensordot(np.zeros((2, 3)), np.zeros((2, 3)), 3)
    with pytest.raises(pb.ShapeError, match="axis 2 does not exist"):
        pb.tensordot(np.zeros((2, 3)), np.zeros((2, 3)), ([2], [0]))


EINSUMS = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,jk", (2, 3), (3, 4)),
    ("ij,kj", (2, 3), (4, 3)),
    ("ba,bc", (2, 3), (2, 4)),
    ("i,i->", (3,), (3,)),
    ("i,i->i", (3,), (3,)),
    ("i,j->ji", (3,), (2,)),
    ("bij,bjk->bik", (2, 2, 3), (2, 3, 2)),
    ("bij,bkj->kbi", (2, 2, 3), (2, 2, 3)),
    ("ij->ji", (2, 3)),
    ("ij->", (2, 3)),
    ("ij->i", (2, 3)),
    ("ij", (2, 3)),
    ("ji", (2, 3)),
    ("ii->i", (3, 3)),
    ("ii->", (3, 3)),
    ("ii", (3, 3)),
    ("iij->ij", (2, 2, 3)),
    ("iii->i", (2, 2, 2)),
    ("iji,j->i", (2, 3, 2), (3,)),
    ("ii,i->", (3, 3), (3,)),
    ("ij,k->i", (2, 3), (4,)),
    ("ij,k->", (2, 3), (4,)),
    ("...ij,...jk->...ik", (2, 2, 3), (3, 2)),
    ("...ij,...jk->...ik", (2, 1, 2, 3), (3, 3, 2)),
    ("...i,i", (2, 3), (3,)),
    ("i...,i...->...", (2, 3), (2, 3)),
    ("...->...", (2, 3)),
    ("b...i->...b", (2, 2, 3)),
    ("ij,jk,kl->il", (2, 3), (3, 2), (2, 4)),
    ("ij,jk,kl,l", (2, 3), (3, 2), (2, 4), (4,)),
    ("i,j,k->ijk", (2,), (3,), (2,)),
    ("ij,ij,ij->ij", (2, 3), (2, 3), (2, 3)),
    ("bqhd,bkhd->bhqk", (1, 2, 2, 3), (1, 3, 2, 3)),
    ("bhqk,bkhd->bqhd", (1, 2, 2, 3), (1, 3, 2, 3)),
    ("ij,jk->ik", (2, 1), (3, 4)),
    ("ij,ij->ij", (2, 1), (1, 3)),
    (",i->i", (), (3,)),
    ("ij, jk -> ik", (0, 3), (3, 2)),
    ("ij,jk->ik", (2, 0), (0, 2)),
]


@pytest.mark.parametrize(("subscripts", "shapes"), [(s, shapes) for s, *shapes in EINSUMS])
def test_einsum(subscripts, shapes, check, rng):
    xs = [rng.normal(size=shape) for shape in shapes]
    want = np.einsum(subscripts, *xs)
    check(lambda *xs: pb.einsum(subscripts, *xs), *xs, expected=want, second=sum(x.size for x in xs) < 16)


@given(data=st.data())
def test_any_einsum(data):
    letters = "abcd"
    length = {c: data.draw(st.integers(1, 3)) for c in letters}
    terms = data.draw(st.lists(st.text(letters, max_size=3), min_size=1, max_size=4))
    out = "".join(data.draw(st.permutations(sorted({c for c in "".join(terms) if data.draw(st.booleans())}))))
    subscripts = ",".join(terms) + "->" + out
    rng = np.random.default_rng(1)
    xs = [rng.normal(size=tuple(length[c] for c in term)) for term in terms]
    got = pb.einsum(subscripts, *xs)
    np.testing.assert_allclose(got.numpy(), np.einsum(subscripts, *xs), rtol=1e-10, atol=1e-12)


def test_einsum_chooses_a_cheap_order(rng):
    a, v = rng.normal(size=(200, 200)), rng.normal(size=200)
    graph = pb.trace(lambda a, b, v: pb.einsum("ij,jk,k->i", a, b, v)).graph(a, a, v)
    contractions = [e for e in graph.equations if e.mapping.name == "contract"]
    assert [e.outputs[0].shape for e in contractions] == [(200,), (200,)]


@pytest.mark.parametrize(
    ("subscripts", "shapes", "error", "message"),
    [
        ("ij,jk->ik", [(2, 3), (4, 2)], pb.ShapeError, r"'j' in 'ij,jk->ik' has length 3, but 4 in operand 1"),
        ("ijk->i", [(2, 3)], pb.ShapeError, r"'ijk' in 'ijk->i' does not fit operand 0 of shape \(2, 3\)"),
        ("i->i", [(2, 3)], pb.ShapeError, "does not fit operand 0"),
        ("ij,jk->ik", [(2, 3)], ValueError, "names 2 operands, got 1"),
        ("ij->ik", [(2, 3)], ValueError, "names 'k', which no operand has"),
        ("ij->ii", [(2, 3)], ValueError, "names an axis twice"),
        ("i1->i", [(2, 3)], ValueError, "something else than letters"),
    ],
)
def test_einsum_refuses(subscripts, shapes, error, message):
    with pytest.raises(error, match=message):
        pb.einsum(subscripts, *(np.zeros(shape) for shape in shapes))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("rows", "middle", "columns"), [(1, 1, 3), (3, 1, 1), (1, 1, 1), (2, 1, 3), (1, 3, 1)])
def test_zero_times_infinity_is_nan_whatever_the_shape(rows, middle, columns, dtype):
    for zero, infinite in ((0, 1), (1, 0)):
        factors = [np.ones((rows, middle), dtype), np.ones((middle, columns), dtype)]
        factors[zero][...] = 0
        factors[infinite].flat[-1] = np.inf
        a, b = factors
        with np.errstate(invalid="ignore"):
            wanted = (a[:, :, None] * b).sum(1)
            found = [pb.matmul(a, b), pb.matmul(a[None], b)[0], pb.einsum("ij,jk->ik", a, b), pb.linear(a, b.T)]
        for y in found:
            np.testing.assert_array_equal(np.asarray(y), wanted)


def test_zero_times_infinity_is_nan_in_gradients_of_a_layer_too():
    x, weight = np.array([[1.0, 2.0, np.inf]]), np.array([[3.0, -np.inf, 4.0]])
    _, back = pb.vjp(pb.linear, x, weight)
    with np.errstate(invalid="ignore"):
        to_x, to_weight = back(np.zeros((1, 1)))
    np.testing.assert_array_equal(np.asarray(to_x), [[0, np.nan, 0]])
    np.testing.assert_array_equal(np.asarray(to_weight), [[0, 0, np.nan]])
