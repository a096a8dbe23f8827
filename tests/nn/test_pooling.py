"""Pooling against PyTorch in float64: values, gradients, positions, ties; other interpreters; what it refuses."""

import itertools

import numpy as np
import pytest

import pullback as pb
from pullback import nn
from pullback.core.errors import DtypeError, ShapeError
from pullback.nn import functional as F

rng = np.random.default_rng(12)
SIZES = {1: (11,), 2: (7, 9), 3: (5, 4, 6)}


def layer_name(function):
    return (
        "".join({"avg": "Avg", "lp": "LP"}.get(part, part.capitalize()) for part in function[:-2].split("_"))
        + (function[-2:])
    )


@pytest.fixture
def compare(agreement):
    """Hold value, positions and gradient of a function against PyTorch's function of the same name."""
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")

    def compare(function, x, *args, **settings):
        mine, other = pb.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        y = getattr(F, function)(mine, *args, **settings)
        t = getattr(torch.nn.functional, function)(other, *args, **settings)
        if settings.get("return_indices"):
            (y, positions), (t, theirs) = y, t
            np.testing.assert_array_equal(np.asarray(positions), theirs.numpy())
        agreement.compare("layer", layer_name(function), "value", y, t)
        g = rng.normal(size=y.shape)
        y.backward(g)
        t.backward(torch.tensor(g))
        agreement.compare("layer", layer_name(function), "gradient", mine.grad, other.grad)

    return compare


GRID = [
    (kernel, stride, padding, ceil_mode)
    for kernel, stride, padding, ceil_mode in itertools.product([1, 2, 3], [None, 1, 2, 3], [0, 1], [False, True])
    if 2 * padding <= kernel
]


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_maximum_pooling_is_that_of_pytorch(axes, compare):
    for (kernel, stride, padding, ceil_mode), dilation in itertools.product(GRID, [1, 2]):
        x = rng.normal(size=(2, 3, *SIZES[axes]))
        settings = {"stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": ceil_mode}
        if any(n + 2 * padding < dilation * (kernel - 1) + 1 for n in SIZES[axes]):
            continue
        compare(f"max_pool{axes}d", x, kernel, return_indices=True, **settings)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_average_pooling_is_that_of_pytorch(axes, compare):
    for (kernel, stride, padding, ceil_mode), count_include_pad in itertools.product(GRID, [True, False]):
        x = rng.normal(size=(2, 3, *SIZES[axes]))
        settings = {"stride": stride, "padding": padding, "ceil_mode": ceil_mode}
        compare(f"avg_pool{axes}d", x, kernel, count_include_pad=count_include_pad, **settings)
        if axes > 1:
            compare(f"avg_pool{axes}d", x, kernel, divisor_override=5, **settings)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("kind", ["avg", "max"])
def test_windows_that_cover_an_array_are_those_of_pytorch(axes, kind, compare):
    for size in (1, 2, 3, 5, 11, SIZES[axes]):
        x = rng.normal(size=(2, 3, *SIZES[axes]))
        more = {"return_indices": True} if kind == "max" else {}
        compare(f"adaptive_{kind}_pool{axes}d", x, size, **more)
    if axes == 2:
        compare(f"adaptive_{kind}_pool2d", rng.normal(size=(2, 3, 7, 9)), (None, 4))


@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize(("p", "ceil_mode"), [(2, False), (3, True), (1.5, False)])
def test_lp_pooling_is_that_of_pytorch(axes, p, ceil_mode, compare):
    # With an odd p, PyTorch adds up powers that may be negative; of positive numbers they are those of |x|.
    x = rng.uniform(0.1, 1, size=(2, 3, *SIZES[axes]))
    compare(f"lp_pool{axes}d", x, p, 2, stride=3, ceil_mode=ceil_mode)


def test_one_example_and_settings_by_axis(compare):
    compare("max_pool2d", rng.normal(size=(3, 7, 9)), (3, 2), stride=(1, 3), padding=(1, 0), dilation=(2, 1))
    compare("avg_pool2d", rng.normal(size=(3, 7, 9)), (3, 2), stride=(1, 3), padding=(1, 0), ceil_mode=True)
    compare("adaptive_avg_pool1d", rng.normal(size=(3, 7)), 2)


class TestTies:
    def test_the_first_gets_the_gradient(self, compare):
        compare("max_pool2d", np.zeros((1, 1, 6, 6)), 3, stride=2, padding=1, return_indices=True)
        compare("max_pool2d", rng.integers(0, 2, (2, 3, 9, 9)) * 1.0, 3, stride=1, padding=1, return_indices=True)
        compare("adaptive_max_pool2d", rng.integers(0, 2, (2, 3, 7, 9)) * 1.0, (3, 4), return_indices=True)

    def test_the_border_never_wins(self, compare):
        compare("max_pool1d", np.full((1, 1, 5), -np.inf), 3, stride=2, padding=1, return_indices=True)
        x = pb.tensor(np.full((1, 1, 4, 4), -np.inf), requires_grad=True)
        F.max_pool2d(x, 2, padding=1).sum().backward()
        assert np.asarray(x.grad).sum() == 9  # nine windows, all of their gradients arrive

    def test_nan_wins(self):
        x = np.array([[1.0, np.nan, 3.0, 4.0, 5.0, 2.0]])
        leaf = pb.tensor(x, requires_grad=True)
        y = F.max_pool1d(leaf, 3)
        np.testing.assert_array_equal(np.asarray(y), [[np.nan, 5.0]])
        y.sum().backward()
        assert np.asarray(leaf.grad).tolist() == [[0, 1, 0, 0, 1, 0]]

    def test_an_infinite_gradient_stays_where_it_belongs(self):
        leaf = pb.tensor(np.array([[1.0, 2.0, 3.0, 4.0]]), requires_grad=True)
        F.max_pool1d(leaf, 2).backward(np.array([[np.inf, 1.0]]))
        assert np.asarray(leaf.grad).tolist() == [[0, np.inf, 0, 1]]


LAYERS = [
    ("MaxPool1d", (3,), {"stride": 2, "padding": 1}),
    ("MaxPool2d", ((2, 3),), {"dilation": (2, 1), "ceil_mode": True}),
    ("MaxPool3d", (2,), {}),
    ("AvgPool1d", (3,), {"padding": 1, "count_include_pad": False}),
    ("AvgPool2d", (2,), {"divisor_override": 3}),
    ("AvgPool3d", (2,), {"stride": 1}),
    ("AdaptiveAvgPool1d", (4,), {}),
    ("AdaptiveAvgPool2d", ((1, 3),), {}),
    ("AdaptiveAvgPool3d", (2,), {}),
    ("AdaptiveMaxPool1d", (4,), {}),
    ("AdaptiveMaxPool2d", ((None, 3),), {}),
    ("AdaptiveMaxPool3d", (2,), {}),
    ("LPPool1d", (2, 3), {}),
    ("LPPool2d", (2, (2, 3)), {"stride": 2}),
]


@pytest.mark.parametrize(("name", "sizes", "settings"), LAYERS)
def test_layers_are_those_of_pytorch(name, sizes, settings, agreement):
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
    x = rng.normal(size=(2, 4, *SIZES[int(name[-2])]))
    mine, other = pb.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    layer = getattr(nn, name)(*sizes, **settings)
    y, t = layer(mine), getattr(torch.nn, name)(*sizes, **settings)(other)
    agreement.compare("layer", name, "value", y, t)
    g = rng.normal(size=y.shape)
    y.backward(g)
    t.backward(torch.tensor(g))
    agreement.compare("layer", name, "gradient", mine.grad, other.grad)


@pytest.mark.parametrize(("name", "sizes", "settings"), LAYERS)
def test_other_interpreters(name, sizes, settings):
    layer = getattr(nn, name)(*sizes, **settings)
    x = rng.uniform(0.1, 1, size=(2, 3, 4, *SIZES[int(name[-2])]))
    one = lambda x: pb.sum(layer(x) ** 3)
    loop = np.stack([np.asarray(pb.grad(one)(part)) for part in x])
    np.testing.assert_allclose(np.asarray(pb.vmap(pb.grad(one))(x)), loop, rtol=1e-12, atol=1e-12)
    traced = pb.trace(pb.grad(one))
    for _ in range(2):
        np.testing.assert_array_equal(np.asarray(traced(x[0])), np.asarray(pb.grad(one)(x[0])))
    v = rng.normal(size=x[0].shape)
    _, forward = pb.jvp(one, (x[0],), (v,))
    assert float(forward) == pytest.approx(float(np.sum(loop[0] * v)), rel=1e-10)
    h = 1e-6
    second = np.asarray(pb.jvp(pb.grad(one), (x[0],), (v,))[1])
    numeric = (np.asarray(pb.grad(one)(x[0] + h * v)) - np.asarray(pb.grad(one)(x[0] - h * v))) / (2 * h)
    np.testing.assert_allclose(second, numeric, rtol=1e-5, atol=1e-6)
    view = np.repeat(x[0], 2, axis=-1)[..., ::2]
    view.flags.writeable = False
    np.testing.assert_allclose(np.asarray(layer(view)), np.asarray(layer(x[0])), rtol=1e-14)


def test_integers_have_a_maximum_but_no_mean():
    x = rng.integers(-9, 9, (1, 2, 6))
    want = np.asarray(F.max_pool1d(x * 1.0, 3, stride=2, padding=1))
    y = F.max_pool1d(x, 3, stride=2, padding=1)
    assert y.dtype == x.dtype
    np.testing.assert_array_equal(np.asarray(y), want)
    for function in (lambda x: F.avg_pool1d(x, 2), lambda x: F.adaptive_avg_pool1d(x, 2)):
        with pytest.raises(DtypeError, match="int64"):
            function(x)


class TestWrongUse:
    @pytest.mark.parametrize("shape", [(5,), (5, 5), (1, 1, 1, 5, 5)])
    def test_numbers_of_axes_name_the_layer(self, shape):
        for layer in (nn.MaxPool2d(2), nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(1)):
            with pytest.raises(ShapeError) as caught:
                layer(np.zeros(shape))
            assert type(layer).__name__ in str(caught.value) and str(shape) in str(caught.value)

    def test_settings(self):
        x = np.zeros((1, 1, 6, 6))
        with pytest.raises(ValueError, match="at most half of kernel_size"):
            F.max_pool2d(x, 2, padding=2)
        with pytest.raises(ShapeError, match="padded input has 6"):
            F.avg_pool2d(x, 7)
        with pytest.raises(ValueError, match="stride"):
            F.max_pool2d(x, 2, stride=0)
        with pytest.raises(ValueError, match="kernel_size"):
            nn.MaxPool2d((2, 2, 2))
        with pytest.raises(ValueError, match="divisor_override"):
            F.avg_pool2d(x, 2, divisor_override=0)
        with pytest.raises(ValueError, match="output_size"):
            F.adaptive_avg_pool2d(x, (1, 2, 3))
        with pytest.raises(ValueError, match="output_size"):
            F.adaptive_max_pool2d(x, 0)
        with pytest.raises(ShapeError, match="length 0"):
            F.adaptive_avg_pool2d(np.zeros((1, 1, 0, 6)), 2)
        with pytest.raises(ValueError, match="norm_type"):
            F.lp_pool2d(x, 0, 2)
