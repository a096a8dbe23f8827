"""Convolution and pooling with the channels last, beside sums over windows and PyTorch."""

import numpy as np
import pytest

import pullback as pb
from pullback import keras
from pullback.core.errors import ShapeError
from pullback.keras import layers

rng = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def doubles():
    before = pb.default_dtype()
    pb.set_default_dtype(np.float64)
    pb.random.manual_seed(0)
    yield
    pb.set_default_dtype(before)


def both(n):
    return n if isinstance(n, tuple) else (n, n)


def padded(x, size, strides, padding, value=0.0):
    """Keras' rule: ⌈n / stride⌉ windows; an odd number of border elements has one more at the end."""
    if padding == "valid":
        return x
    pads = [
        max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(x.shape[1:-1], both(size), both(strides), strict=True)
    ]
    return np.pad(x, [(0, 0), *((p // 2, p - p // 2) for p in pads), (0, 0)], constant_values=value)


def windows(x, size, strides):
    (k, w), (s, t) = both(size), both(strides)
    view = np.lib.stride_tricks.sliding_window_view(x, (k, w), axis=(1, 2))[:, ::s, ::t]
    return np.moveaxis(view, 3, -1)  # (n, i, j, k, w, c)


CASES = [((3, 2), 1), ((2, 2), (2, 3)), ((4, 3), 2), (3, 3), (1, 2), (2, 4)]


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("size", "strides"), CASES)
def test_conv2d_is_the_sum_over_windows(padding, size, strides):
    x = rng.standard_normal((2, 7, 6, 3))
    layer = layers.Conv2D(4, size, strides, padding, activation="tanh", bias_initializer="uniform")
    symbolic = layer(keras.Input((7, 6, 3)))
    wanted = np.einsum("nijkwc,kwcf->nijf", windows(padded(x, size, strides, padding), size, strides), layer.kernel)
    wanted = np.tanh(wanted + layer.bias.numpy())
    assert symbolic.shape == (None, *wanted.shape[1:])
    if padding == "same":
        assert wanted.shape[1:3] == (-(-7 // both(strides)[0]), -(-6 // both(strides)[1]))
    np.testing.assert_allclose(layer(x).numpy(), wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("size", "strides"), [*CASES, (3, None), (2, None)])
def test_pooling_is_the_maximum_and_the_mean_of_what_is_there(padding, size, strides):
    x = rng.standard_normal((2, 7, 6, 3)) - 5  # all below 0: a border of zeros would win
    steps = size if strides is None else strides
    top = windows(padded(x, size, steps, padding, -np.inf), size, steps).max(axis=(3, 4))
    found = layers.MaxPooling2D(size, strides, padding)(x)
    np.testing.assert_array_equal(np.asarray(found), top)
    mean = np.nanmean(windows(padded(x, size, steps, padding, np.nan), size, steps), axis=(3, 4))
    found = layers.AveragePooling2D(size, strides, padding)(x)
    np.testing.assert_allclose(np.asarray(found), mean, rtol=1e-12)


def test_pooling_passes_its_gradient_to_what_won():
    x = pb.tensor(rng.standard_normal((1, 5, 5, 2)), requires_grad=True)
    layers.MaxPooling2D(3, 2, padding="same")(x).sum().backward()
    w = windows(padded(x.numpy(), 3, 2, "same", -np.inf), 3, 2)
    wins = (w == w.max(axis=(3, 4), keepdims=True)).sum()
    assert x.grad.numpy().sum() == wins == 3 * 3 * 2


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("size", "strides"), [(3, 1), (3, 2), (2, 3), (4, 2), ((2, 3), (3, 1))])
def test_the_transposed_convolution_is_the_transpose(padding, size, strides):
    """⟨conv(x), y⟩ = ⟨x, convᵀ(y)⟩, for sizes at which the strides come out even."""
    down = layers.Conv2D(4, size, strides, padding, use_bias=False)
    up = layers.Conv2DTranspose(3, size, strides, padding)
    y = rng.standard_normal((2, 4, 5, 4))
    spread = up(y).numpy()
    x = rng.standard_normal(spread.shape)
    down(x)
    up.set_weights([down.kernel.numpy(), np.zeros(3)])
    np.testing.assert_allclose((down(x).numpy() * y).sum(), (x * up(y).numpy()).sum(), rtol=1e-10)
    (s, t), (k, w) = both(strides), both(size)
    extra = (0, 0) if padding == "same" else (max(k - s, 0), max(w - t, 0))
    assert spread.shape == (2, 4 * s + extra[0], 5 * t + extra[1], 3)


def test_against_torch():
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    x = rng.standard_normal((2, 9, 8, 4))
    first = torch.from_numpy(x.transpose(0, 3, 1, 2).copy())
    layer = layers.Conv2D(6, 3, dilation_rate=2, groups=2)
    y = layer(x)
    kernel = torch.from_numpy(layer.kernel.numpy().transpose(3, 2, 0, 1).copy())
    wanted = torch.nn.functional.conv2d(first, kernel, dilation=2, groups=2).numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(y.numpy(), wanted, rtol=1e-10, atol=1e-12)
    pool = torch.nn.functional.max_pool2d(first, 3, 2).numpy().transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(np.asarray(layers.MaxPooling2D(3, 2)(x)), pool)
    steps = x[:, :, 0]
    line = layers.Conv1D(5, 3, strides=2)
    y = line(steps)
    kernel = torch.from_numpy(line.kernel.numpy().transpose(2, 1, 0).copy())
    wanted = torch.nn.functional.conv1d(torch.from_numpy(steps.transpose(0, 2, 1).copy()), kernel, stride=2)
    np.testing.assert_allclose(y.numpy(), wanted.numpy().transpose(0, 2, 1), rtol=1e-10, atol=1e-12)


def test_whole_samples_and_what_changes_only_the_shape():
    x = rng.standard_normal((2, 4, 6, 3))
    np.testing.assert_allclose(layers.GlobalAveragePooling2D()(x).numpy(), x.mean((1, 2)), rtol=1e-12)
    np.testing.assert_array_equal(np.asarray(layers.GlobalMaxPooling2D(keepdims=True)(x)), x.max((1, 2), keepdims=True))
    np.testing.assert_array_equal(np.asarray(layers.MaxPooling1D(2)(x[:, :, 0])), x[:, :, 0].reshape(2, 2, 2, 3).max(2))
    np.testing.assert_array_equal(np.asarray(layers.UpSampling2D((2, 3))(x)), x.repeat(2, 1).repeat(3, 2))
    np.testing.assert_array_equal(np.asarray(layers.Flatten()(x)), x.reshape(2, 72))
    np.testing.assert_array_equal(np.asarray(layers.Reshape((8, -1))(x)), x.reshape(2, 8, 9))
    np.testing.assert_array_equal(np.asarray(layers.Permute((3, 1, 2))(x)), x.transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(np.asarray(layers.RepeatVector(3)(x[:, 0, 0])), x[:, 0, :1].repeat(3, 1))
    border = layers.ZeroPadding2D(((1, 0), (2, 3)))(x)
    np.testing.assert_array_equal(np.asarray(border), np.pad(x, ((0, 0), (1, 0), (2, 3), (0, 0))))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.Conv2D(3, 3, padding="full"), "'valid' or 'same'"),
        (lambda: layers.MaxPooling2D(2, padding="causal"), "'valid' or 'same'"),
        (lambda: layers.Conv2D(3, (3, 3, 3)), "an integer or two"),
        (lambda: layers.Conv2D(3, 3)(pb.ones((1, 8, 8))), "height, width, channels"),
        (lambda: layers.Conv2D(4, 3, groups=3)(pb.ones((1, 8, 8, 3))), "4 filters in 3 groups"),
        (lambda: layers.MaxPooling2D(4)(pb.ones((1, 3, 3, 1))), "does not fit"),
        (lambda: layers.Reshape((5,))(pb.ones((2, 4))), "do not fit into"),
        (lambda: layers.Permute((1, 3)), "the numbers 1"),
    ],
)
def test_wrong_use(make, message):
    with pytest.raises((ValueError, ShapeError), match=message):
        make()
