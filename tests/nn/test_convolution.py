"""Convolutions against PyTorch in float64: values, gradients, settings; other interpreters; what they refuse."""

import itertools
import re

import numpy as np
import pytest

import pullback as pb
from pullback import nn
from pullback.core.errors import ShapeError
from pullback.nn import functional as F

rng = np.random.default_rng(11)
SIZES = {1: (9,), 2: (7, 6), 3: (5, 4, 6)}


def agree(have, want):
    """Within 1e-12 of the largest element: sums of products in another order differ by so much."""
    have, want = np.asarray(have), np.asarray(want)
    assert have.shape == want.shape
    np.testing.assert_allclose(have, want, rtol=1e-12, atol=1e-12 * max(np.abs(want).max(initial=0), 1))


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """PyTorch's threads would wait for each other beside other tests."""
    try:
        import torch
    except ImportError:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def compare(agreement):
    """Hold value and all gradients of a function against PyTorch's function of the same name."""
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")

    def compare(function, arrays, **settings):
        mine = [None if a is None else pb.tensor(a, requires_grad=True) for a in arrays]
        other = [None if a is None else torch.tensor(a, requires_grad=True) for a in arrays]
        y = getattr(F, function)(*mine, **settings)
        t = getattr(torch.nn.functional, function)(*other, **settings)
        layer = "Conv" + ("Transpose" if "transpose" in function else "") + function[-2:]
        agreement.compare("layer", layer, "value", y, t)
        g = rng.normal(size=y.shape)
        y.backward(g)
        t.backward(torch.tensor(g))
        for a, b in zip(mine, other, strict=True):
            if a is not None:
                agreement.compare("layer", layer, "gradient", a.grad, b.grad)

    return compare


GRID = list(itertools.product([1, 2, 3], [0, 1, 2], [1, 2], [1, 2, 4]))


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_convolution_is_that_of_pytorch(axes, compare):
    for stride, padding, dilation, groups in GRID:
        for kernel in (1, 2, 3):
            x = rng.normal(size=(2, 4, *SIZES[axes]))
            w = rng.normal(size=(8, 4 // groups, *(kernel,) * axes))
            if any(n + 2 * padding < dilation * (kernel - 1) + 1 for n in SIZES[axes]):
                continue
            settings = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
            compare(f"conv{axes}d", [x, w, rng.normal(size=8) if kernel != 2 else None], **settings)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_transposed_convolution_is_that_of_pytorch(axes, compare):
    for stride, padding, dilation, groups in GRID:
        for kernel, more in ((1, 0), (3, 0), (3, 1), (2, 2)):
            if more >= max(stride, dilation) or padding > dilation * (kernel - 1):
                continue
            x = rng.normal(size=(2, 4, *SIZES[axes]))
            w = rng.normal(size=(4, 6 // (1 if groups == 4 else groups), *(kernel,) * axes))
            compare(
                f"conv_transpose{axes}d",
                [x, w, rng.normal(size=w.shape[1] * groups)],
                stride=stride,
                padding=padding,
                dilation=dilation,
                groups=groups,
                output_padding=more,
            )


def test_settings_differ_from_axis_to_axis(compare):
    compare(
        "conv2d",
        [rng.normal(size=(3, 4, 9, 8)), rng.normal(size=(6, 2, 3, 2)), rng.normal(size=6)],
        stride=(2, 1),
        padding=(0, 2),
        dilation=(1, 3),
        groups=2,
    )
    compare(
        "conv_transpose2d",
        [rng.normal(size=(3, 4, 5, 4)), rng.normal(size=(4, 3, 3, 2)), None],
        stride=(3, 1),
        padding=(1, 0),
        dilation=(1, 4),
        output_padding=(2, 3),
        groups=2,
    )


@pytest.mark.parametrize(("kernel", "dilation"), [(3, 1), (4, 1), (2, 3), (5, 2)])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_padding_by_name(kernel, dilation, padding, compare):
    arrays = [rng.normal(size=(2, 2, 10, 11)), rng.normal(size=(3, 2, kernel, kernel)), None]
    compare("conv2d", arrays, padding=padding, dilation=dilation)


def test_one_example_without_an_axis_for_examples(compare):
    compare(
        "conv2d",
        [rng.normal(size=(2, 5, 6)), rng.normal(size=(3, 2, 3, 3)), rng.normal(size=3)],
        padding=1,
    )
    compare(
        "conv_transpose1d",
        [rng.normal(size=(2, 5)), rng.normal(size=(2, 3, 3)), rng.normal(size=3)],
        stride=2,
    )


def test_an_empty_batch():
    x = pb.tensor(np.zeros((0, 2, 5, 5)), requires_grad=True)
    layer = nn.Conv2d(2, 3, 3, dtype="float64")
    y = layer(x)
    assert y.shape == (0, 3, 3, 3)
    y.sum().backward()
    assert x.grad.shape == x.shape
    assert not np.asarray(layer.weight.grad).any()


def test_many_slabs_give_what_one_gives(monkeypatch):
    from pullback.mappings import convolution

    x, w, b = rng.normal(size=(3, 4, 11, 7)), rng.normal(size=(6, 2, 3, 2)), rng.normal(size=6)

    def all_of_it():
        leaves = [pb.tensor(a, requires_grad=True) for a in (x, w, b)]
        y = F.conv2d(*leaves, stride=(2, 1), padding=(2, 1), dilation=(1, 2), groups=2)
        (y * y).sum().backward()
        return [np.asarray(y), *(np.asarray(leaf.grad) for leaf in leaves)]

    whole = all_of_it()
    monkeypatch.setattr(convolution, "SLAB", 1)
    for a, b_ in zip(all_of_it(), whole, strict=True):
        agree(a, b_)


LAYERS = [
    ("Conv1d", (4, 6, 3), {"stride": 2, "padding": 1}),
    ("Conv2d", (4, 6, (3, 2)), {"padding": (1, 0), "groups": 2}),
    ("Conv2d", (4, 6, 3), {"padding": "same", "dilation": 2, "bias": False}),
    ("Conv3d", (4, 2, 2), {"padding": 1}),
    ("ConvTranspose1d", (4, 6, 3), {"stride": 2, "padding": 1, "output_padding": 1}),
    ("ConvTranspose2d", (4, 6, 3), {"stride": 2, "groups": 2}),
    ("ConvTranspose3d", (4, 2, 2), {"bias": False}),
    ("Conv2d", (4, 6, 3), {"padding": 2, "padding_mode": "reflect"}),
    ("Conv2d", (4, 6, 3), {"padding": (2, 1), "padding_mode": "circular"}),
    ("Conv1d", (4, 6, 4), {"padding": "same", "padding_mode": "replicate"}),
]


@pytest.mark.parametrize(("name", "sizes", "settings"), LAYERS)
@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_layers_are_those_of_pytorch(name, sizes, settings, agreement):
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
    layer = getattr(nn, name)(*sizes, **settings, dtype="float64")
    theirs = getattr(torch.nn, name)(*sizes, **settings, dtype=torch.float64)
    theirs.load_state_dict({k: torch.tensor(np.asarray(v)) for k, v in layer.state_dict().items()})
    assert repr(layer) == re.sub(r"=([a-z]+)([,)])", r"='\1'\2", repr(theirs))
    x = rng.normal(size=(2, 4, *SIZES[int(name[-2])]))
    mine, other = pb.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, t = layer(mine), theirs(other)
    agreement.compare("layer", name, "value", y, t)
    g = rng.normal(size=y.shape)
    y.backward(g)
    t.backward(torch.tensor(g))
    agreement.compare("layer", name, "gradient", mine.grad, other.grad)
    for (ours, p), (its, q) in zip(layer.named_parameters(), theirs.named_parameters(), strict=True):
        assert ours == its
        agreement.compare("layer", name, "gradient", p.grad, q.grad)


def test_the_start_is_uniform_within_one_over_root_fan_in():
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
    pb.random.manual_seed(0)
    torch.manual_seed(0)
    for name in ("Conv2d", "ConvTranspose2d"):
        layer, theirs = getattr(nn, name)(40, 20, 5, groups=2), getattr(torch.nn, name)(40, 20, 5, groups=2)
        for ours, its in ((layer.weight, theirs.weight), (layer.bias, theirs.bias)):
            a, b = np.abs(np.asarray(ours)).max(), float(its.detach().abs().max())
            assert a == pytest.approx(b, rel=0.15)  # the largest of many draws is near the bound
        assert np.asarray(layer.weight).var() == pytest.approx(float(theirs.weight.detach().var()), rel=0.1)


def test_a_transposed_layer_takes_the_size_that_is_wanted():
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
    layer = nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1, dtype="float64")
    theirs = torch.nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1, dtype=torch.float64)
    theirs.load_state_dict({k: torch.tensor(np.asarray(v)) for k, v in layer.state_dict().items()})
    x = rng.normal(size=(2, 2, 5, 4))
    for size in ((9, 7), (10, 8), (9, 8)):
        agree(layer(x, output_size=size), theirs(torch.tensor(x), output_size=size).detach().numpy())
    with pytest.raises(ShapeError, match=r"between \(9, 7\) and \(10, 8\)"):
        layer(x, output_size=(11, 8))


class TestOtherInterpreters:
    x, w, b = rng.normal(size=(2, 4, 6, 5)), rng.normal(size=(6, 2, 3, 2)), rng.normal(size=6)

    def f(self, x, w, b):
        return F.conv2d(x, w, b, stride=(1, 2), padding=1, groups=2)

    def test_gradients_per_sample(self):
        xs, ys = rng.normal(size=(5, 4, 6, 5)), rng.normal(size=(5, 6, 6, 3))
        loss = lambda w, x, y: pb.sum((F.conv2d(x, w, self.b, stride=(1, 2), padding=1, groups=2) - y) ** 2)
        per_sample = pb.vmap(pb.grad(loss), in_axes=(None, 0, 0))(self.w, xs, ys)
        loop = [np.asarray(pb.grad(loss)(self.w, x, y)) for x, y in zip(xs, ys, strict=True)]
        agree(per_sample, np.stack(loop))

    def test_second_order_against_pytorch(self):
        torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
        loss = lambda x, w: pb.sum(pb.tanh(F.conv2d(x, w, padding=1, stride=2)) ** 2)
        theirs = lambda x, w: (torch.tanh(torch.nn.functional.conv2d(x, w, padding=1, stride=2)) ** 2).sum()
        x, w = rng.normal(size=(2, 2, 4, 4)), rng.normal(size=(2, 2, 3, 3))
        vx, vw = rng.normal(size=x.shape), rng.normal(size=w.shape)
        ours = pb.jvp(pb.grad(loss, argnums=(0, 1)), (x, w), (vx, vw))[1]
        tensors = tuple(map(torch.tensor, (x, w)))
        want = torch.autograd.functional.vhp(theirs, tensors, tuple(map(torch.tensor, (vx, vw))))[1]
        for a, b in zip(ours, want, strict=True):
            agree(a, b.numpy())

    def test_forward_mode_against_differences(self):
        v = [rng.normal(size=a.shape) for a in (self.x, self.w, self.b)]
        _, t = pb.jvp(self.f, (self.x, self.w, self.b), tuple(v))
        h = 1e-6
        moved = [
            np.asarray(self.f(*(a + s * h * d for a, d in zip((self.x, self.w, self.b), v, strict=True))))
            for s in (1, -1)
        ]
        np.testing.assert_allclose(np.asarray(t), (moved[0] - moved[1]) / (2 * h), rtol=1e-7, atol=1e-7)

    def test_traced_equals_eager_bit_for_bit(self):
        gradient = pb.grad(lambda x, w, b: pb.sum(pb.sin(self.f(x, w, b))), argnums=(0, 1, 2))
        for _ in range(2):
            for a, b in zip(pb.trace(gradient)(self.x, self.w, self.b), gradient(self.x, self.w, self.b), strict=True):
                np.testing.assert_array_equal(np.asarray(a), np.asarray(b))

    def test_strided_and_read_only_inputs(self):
        wide = np.repeat(self.x, 2, axis=-1)
        view = wide[..., ::2]
        view.flags.writeable = False
        agree(self.f(view, np.asfortranarray(self.w), self.b), self.f(self.x, self.w, self.b))

    def test_float32_stays_and_both_meet_in_the_wider(self):
        x, w = self.x.astype(np.float32), self.w.astype(np.float32)
        assert F.conv2d(x, w, groups=2).dtype == np.float32
        assert F.conv2d(x, self.w, groups=2).dtype == np.float64


class TestWrongUse:
    def test_channels(self):
        with pytest.raises(ShapeError) as caught:
            nn.Conv2d(3, 8, 3)(np.zeros((2, 4, 8, 8), np.float32))
        text = str(caught.value)
        assert "Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1))" in text
        assert "(N, 3, H, W)" in text and "(2, 4, 8, 8)" in text

    @pytest.mark.parametrize("shape", [(3,), (3, 8), (1, 1, 3, 8, 8), ()])
    def test_numbers_of_axes(self, shape):
        with pytest.raises(ShapeError, match=r"expected x of shape \(N, 3, H, W\)"):
            nn.Conv2d(3, 8, 3)(np.zeros(shape, np.float32))

    def test_a_kernel_larger_than_the_input(self):
        with pytest.raises(ShapeError, match="reaches over 7 elements, but the padded input has 6"):
            nn.Conv2d(1, 1, 4, dilation=2, padding=1)(np.zeros((1, 1, 9, 4), np.float32))

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"stride": 0}, "stride"),
            ({"padding": -1}, "padding"),
            ({"padding": "full"}, "'same', 'valid'"),
            ({"padding": "same", "stride": 2}, "stride 1"),
            ({"dilation": (1, 2, 3)}, "dilation"),
            ({"groups": 3}, "groups"),
            ({"groups": 0}, "groups"),
            ({"kernel_size": 2.5}, "kernel_size"),
            ({"padding_mode": "mirror"}, "padding_mode"),
            ({"in_channels": 0}, "in_channels"),
        ],
    )
    def test_settings(self, settings, message):
        with pytest.raises(ValueError, match=message):
            nn.Conv2d(**({"in_channels": 4, "out_channels": 8, "kernel_size": 3} | settings))

    def test_weight_and_bias_of_the_functional_form(self):
        x = np.zeros((2, 4, 8, 8))
        with pytest.raises(ShapeError, match="weight of shape"):
            F.conv2d(x, np.zeros((8, 4, 3)))
        with pytest.raises(ShapeError, match=r"bias of shape \(8,\)"):
            F.conv2d(x, np.zeros((8, 4, 3, 3)), np.zeros(4))
        with pytest.raises(ValueError, match="groups"):
            F.conv2d(x, np.zeros((8, 4, 3, 3)), groups=3)
        with pytest.raises(ValueError, match="output_padding must be smaller"):
            F.conv_transpose2d(x, np.zeros((4, 8, 3, 3)), output_padding=1)
        with pytest.raises(ShapeError, match="nothing is left"):
            F.conv_transpose2d(np.zeros((1, 1, 1, 1)), np.zeros((1, 1, 1, 1)), padding=1)
