"""affine_grid and grid_sample beside PyTorch's: values and gradients in images and places; the laws; wrong use."""

import numpy as np
import pytest

import pullback as pb
from pullback.core.errors import ShapeError
from pullback.nn import functional as F

rng = np.random.default_rng(71)
IMAGES, VOLUMES = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(2, 2, 3, 4, 2))
PLACES, DEEP = rng.uniform(-1.7, 1.7, (2, 3, 6, 2)), rng.uniform(-1.4, 1.4, (2, 2, 3, 4, 3))


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
@pytest.mark.parametrize(("x", "grid"), [(IMAGES, PLACES), (VOLUMES, DEEP), (IMAGES[:, :, :1, :1], PLACES)])
def test_samples_are_those_of_pytorch(torch, agreement, x, grid, mode, padding_mode, align_corners):
    settings = {"mode": mode, "padding_mode": padding_mode, "align_corners": align_corners}
    mine = [pb.tensor(a, requires_grad=True) for a in (x, grid)]
    other = [torch.tensor(a, requires_grad=True) for a in (x, grid)]
    have, want = F.grid_sample(*mine, **settings), torch.nn.functional.grid_sample(*other, **settings)
    agreement.compare("layer", "grid_sample", "value", have, want)
    g = rng.normal(size=have.shape)
    have.backward(g)
    want.backward(torch.tensor(g))
    for a, b in zip(mine, other, strict=True):
        a = np.zeros(b.shape) if a.grad is None else a.grad
        agreement.compare("layer", "grid_sample", "gradient", a, b.grad)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(("theta", "size"), [((2, 2, 3), (2, 3, 4, 5)), ((2, 3, 4), (2, 1, 3, 4, 2))])
def test_grids_are_those_of_pytorch(torch, agreement, theta, size, align_corners):
    theta = rng.normal(size=theta)
    mine, other = pb.tensor(theta, requires_grad=True), torch.tensor(theta, requires_grad=True)
    have = F.affine_grid(mine, size, align_corners)
    want = torch.nn.functional.affine_grid(other, list(size), align_corners)
    agreement.compare("layer", "affine_grid", "value", have, want)
    g = rng.normal(size=have.shape)
    have.backward(g)
    want.backward(torch.tensor(g))
    agreement.compare("layer", "affine_grid", "gradient", mine.grad, other.grad)


def test_it_composes():
    loss = lambda x, grid: pb.sin(F.grid_sample(x, grid, padding_mode="reflection")).sum()
    gradient = pb.grad(loss, argnums=(0, 1))(IMAGES, PLACES)
    vs = rng.normal(size=IMAGES.shape), rng.normal(size=PLACES.shape)
    _, slope = pb.jvp(loss, (IMAGES, PLACES), vs)
    want = sum(float((np.asarray(g) * v).sum()) for g, v in zip(gradient, vs, strict=True))
    assert float(slope) == pytest.approx(want, rel=1e-12)
    for a, b in zip(pb.trace(pb.grad(loss, argnums=(0, 1)))(IMAGES, PLACES), gradient, strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    several = np.stack([PLACES, -PLACES])
    together = np.asarray(pb.vmap(lambda grid: F.grid_sample(IMAGES, grid))(several))
    for a, grid in zip(together, several, strict=True):
        np.testing.assert_allclose(a, np.asarray(F.grid_sample(IMAGES, grid)), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: F.grid_sample(IMAGES, DEEP), ShapeError, r"got input \(2, 3, 4, 5\) and grid \(2, 2, 3, 4, 3\)"),
        (lambda: F.grid_sample(IMAGES[:1], PLACES), ShapeError, "expected input"),
        (lambda: F.grid_sample(IMAGES, PLACES, mode="bicubic"), ValueError, "'bilinear' or 'nearest', got 'bicubic'"),
        (lambda: F.grid_sample(IMAGES, PLACES, padding_mode="wrap"), ValueError, "got 'wrap'"),
        (lambda: F.affine_grid(np.ones((2, 2, 2)), (2, 1, 3, 3)), ShapeError, r"theta \(2, 2, 2\)"),
    ],
)
def test_wrong_use(call, error, text):
    with pytest.raises(error, match=text):
        call()
