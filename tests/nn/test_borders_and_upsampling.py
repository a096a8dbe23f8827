"""Borders, interpolation and pixel shuffling against PyTorch in float64; other interpreters; what they refuse."""

import numpy as np
import pytest

import pullback as pb
from pullback import nn
from pullback.core.errors import DtypeError, ShapeError
from pullback.nn import functional as F

rng = np.random.default_rng(14)
SIZES = {1: (7,), 2: (5, 6), 3: (4, 3, 5)}


@pytest.fixture
def compare(agreement):
    """Hold value and gradient of a function of x against PyTorch's."""
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")

    def compare(name, ours, theirs, x):
        mine, other = pb.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        y, t = ours(mine), theirs(torch)(other)
        agreement.compare("layer", name, "value", y, t)
        g = rng.normal(size=y.shape)
        y.backward(g)
        t.backward(torch.tensor(g))
        agreement.compare("layer", name, "gradient", mine.grad, other.grad)

    return compare


# ---------------------------------------------------------------------------------------------- borders

PADS = [
    ("ConstantPad1d", ((2, 1), 1.5)),
    ("ConstantPad2d", ((-1, 2, 1, -2), -1.0)),
    ("ConstantPad3d", (1, 2.0)),
    ("ZeroPad1d", (2,)),
    ("ZeroPad2d", ((1, 0, 3, 2),)),
    ("ZeroPad3d", ((1, 0, 0, 2, -1, 1),)),
    ("ReflectionPad1d", ((6, 3),)),
    ("ReflectionPad2d", ((1, 0, 3, 2),)),
    ("ReflectionPad3d", (2,)),
    ("ReplicationPad1d", ((9, 3),)),
    ("ReplicationPad2d", ((1, 0, 3, 2),)),
    ("ReplicationPad3d", ((1, 0, 3, 2, 0, 5),)),
    ("CircularPad1d", ((7, 3),)),
    ("CircularPad2d", ((1, 0, 3, 2),)),
    ("CircularPad3d", (1,)),
]


@pytest.mark.parametrize(("name", "arguments"), PADS)
def test_borders_are_those_of_pytorch(name, arguments, compare):
    x = rng.normal(size=(2, 3, *SIZES[int(name[-2])]))
    layer = getattr(nn, name)(*arguments)
    compare(name, layer, lambda torch: getattr(torch.nn, name)(*arguments), x)
    compare(name, layer, lambda torch: getattr(torch.nn, name)(*arguments), x[0])


def test_the_functional_form(compare):
    x = rng.normal(size=(2, 3, 4))
    for widths in ((1, 2), (1, 2, 0, 3), (-1, 0, 2, -2, 1, 1), ()):
        ours = lambda x, widths=widths: F.pad(x, widths, value=3.0)
        compare("pad", ours, lambda torch, widths=widths: lambda x: torch.nn.functional.pad(x, widths, value=3.0), x)
    np.testing.assert_array_equal(np.asarray(F.pad(np.arange(3), (1, 1), mode="circular")), [2, 0, 1, 2, 0])


class TestWrongBorders:
    x = np.zeros((2, 3, 4))

    @pytest.mark.parametrize(
        ("widths", "options", "error", "message"),
        [
            ((1, 2, 3), {}, ShapeError, "pair of widths"),
            ((1,) * 8, {}, ShapeError, "pair of widths"),
            ((0.5, 1), {}, ValueError, "sequence of ints"),
            ((1, 1), {"mode": "mirror"}, ValueError, "mode"),
            ((4, 0), {"mode": "reflect"}, ShapeError, "from 0 to 3"),
            ((5, 0), {"mode": "circular"}, ShapeError, "from 0 to 4"),
            ((-1, 0), {"mode": "replicate"}, ShapeError, r"\(-1, 0\)"),
            ((-2, -3), {}, ShapeError, "crop more"),
            ((1, 1), {"mode": "reflect", "value": 1.0}, ValueError, "value is for"),
        ],
    )
    def test_of_the_functional_form(self, widths, options, error, message):
        with pytest.raises(error, match=message):
            F.pad(self.x, widths, **options)

    def test_of_the_layers(self):
        with pytest.raises(ShapeError, match=r"ZeroPad2d\(\(1, 1, 1, 1\)\): expected x of shape \(N, C, H, W\)"):
            nn.ZeroPad2d(1)(np.zeros((4, 4)))
        with pytest.raises(ValueError, match="4 ints"):
            nn.ZeroPad2d((1, 2))


# ------------------------------------------------------------------------------------------- upsampling

MODES = {
    "nearest": (1, 2, 3),
    "nearest-exact": (1, 2, 3),
    "linear": (1,),
    "bilinear": (2,),
    "trilinear": (3,),
    "bicubic": (2,),
    "area": (1, 2, 3),
}


@pytest.mark.parametrize(("mode", "axes"), [(mode, axes) for mode in MODES for axes in MODES[mode]])
def test_interpolation_is_that_of_pytorch(mode, axes, compare):
    x = rng.normal(size=(2, 3, *SIZES[axes]))
    targets = [{"size": n} for n in (1, 2, 5, 7, 13)]
    targets += [{"scale_factor": s} for s in (0.5, 1, 1.3, 2, 3)]
    targets += [{"scale_factor": 1.7, "recompute_scale_factor": True}, {"size": tuple(n + 2 for n in SIZES[axes])}]
    corners = [{}, {"align_corners": True}, {"align_corners": False}] if "linear" in mode or "cubic" in mode else [{}]
    for target in targets:
        for more in corners:
            settings = {"mode": mode, **target, **more}
            if mode == "nearest" and axes == 3 and target == {"scale_factor": 1.3}:
                continue  # the middle axis keeps its length: see the next test
            ours = lambda x, settings=settings: F.interpolate(x, **settings)
            theirs = lambda torch, settings=settings: lambda x: torch.nn.functional.interpolate(x, **settings)
            compare("Upsample", ours, theirs, x)


def test_where_a_scale_does_not_change_the_length_pytorch_contradicts_itself():
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
    x = np.array([[[1.0, 2.0, 3.0]]])
    theirs = torch.tensor(x, requires_grad=True)
    y = torch.nn.functional.interpolate(theirs, scale_factor=1.3, mode="nearest")
    y.sum().backward()
    assert y.tolist() == [[[1, 1, 2]]] and theirs.grad.tolist() == [[[1, 1, 1]]]  # not the derivative of this value
    ours = pb.tensor(x, requires_grad=True)
    y = F.interpolate(ours, scale_factor=1.3)
    y.sum().backward()
    assert y.tolist() == x.tolist() and np.asarray(ours.grad).tolist() == [[[1, 1, 1]]]
    for mode in ("linear", "nearest-exact"):
        have = F.interpolate(x, scale_factor=1.3, mode=mode)
        want = torch.nn.functional.interpolate(torch.tensor(x), scale_factor=1.3, mode=mode)
        assert have.tolist() == want.tolist()


def test_nearest_chooses_what_pytorch_chooses_for_all_small_sizes():
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
    for mode in ("nearest", "nearest-exact"):
        for n in range(1, 40):
            x = np.arange(float(n))[None, None]
            for m in range(1, 40):
                have = np.asarray(F.interpolate(x, size=m, mode=mode))
                want = torch.nn.functional.interpolate(torch.tensor(x), size=m, mode=mode).numpy()
                np.testing.assert_array_equal(have, want, err_msg=f"{mode} {n} → {m}")
            for scale in (0.3, 0.5, 0.7, 0.9, 1.1, 1.5, 1.7, 2.2, 3.3):
                if n * scale < 1 or int(n * scale) == n:
                    continue
                have = np.asarray(F.interpolate(x, scale_factor=scale, mode=mode))
                want = torch.nn.functional.interpolate(torch.tensor(x), scale_factor=scale, mode=mode).numpy()
                np.testing.assert_array_equal(have, want, err_msg=f"{mode} {n} · {scale}")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("Upsample", {"scale_factor": 2}),
        ("Upsample", {"size": (7, 4), "mode": "bilinear"}),
        ("UpsamplingNearest2d", {"scale_factor": 3}),
        ("UpsamplingBilinear2d", {"size": (9, 8)}),
        ("PixelShuffle", {"upscale_factor": 2}),
        ("PixelUnshuffle", {"downscale_factor": 2}),
        ("Unflatten", {"dim": 1, "unflattened_size": (2, -1)}),
    ],
)
def test_layers_are_those_of_pytorch(name, arguments, compare):
    x = rng.normal(size=(2, 8, 4, 6))
    compare(name, getattr(nn, name)(**arguments), lambda torch: getattr(torch.nn, name)(**arguments), x)


def test_the_shuffles_undo_each_other():
    x = rng.normal(size=(2, 3, 18, 4, 5))
    np.testing.assert_array_equal(np.asarray(F.pixel_unshuffle(F.pixel_shuffle(x, 3), 3)), x)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: F.interpolate(x), ValueError, "either size or scale_factor"),
        (lambda x: F.interpolate(x, 4, 2), ValueError, "either size or scale_factor"),
        (lambda x: F.interpolate(x, 4, mode="cubic"), ValueError, "mode"),
        (lambda x: F.interpolate(x, 4, mode="linear"), ShapeError, "3 axes"),
        (lambda x: F.interpolate(x, (4, 4, 4)), ValueError, "2 of them"),
        (lambda x: F.interpolate(x, 4, align_corners=True), ValueError, "align_corners"),
        (lambda x: F.interpolate(x, scale_factor=0.1), ShapeError, "leaves nothing"),
        (lambda x: F.interpolate(x.astype(int), 4), DtypeError, "int64"),
        (lambda x: F.pixel_shuffle(x, 3), ShapeError, "C·9"),
        (lambda x: F.pixel_shuffle(x, 0), ValueError, "upscale_factor"),
        (lambda x: F.pixel_unshuffle(x, 4), ShapeError, "W·4"),
        (lambda x: F.unflatten(x, 1, (3, -1)), ShapeError, "cannot be parted"),
        (lambda x: F.unflatten(x, 4, (2, -1)), ShapeError, "no axis 4"),
        (lambda x: nn.Upsample(), ValueError, "either size or scale_factor"),
    ],
)
def test_wrong_use(call, error, message):
    with pytest.raises(error, match=message):
        call(np.zeros((2, 8, 4, 6)))


SMOOTH = [
    lambda x: F.pad(x, (2, 1, 0, 3), mode="reflect"),
    lambda x: F.pad(x, (-1, 1), value=2.0),
    lambda x: F.interpolate(x, scale_factor=(1.5, 2.0), mode="bilinear"),
    lambda x: F.interpolate(x, size=3, mode="nearest"),
    lambda x: F.pixel_shuffle(x, 2),
]


@pytest.mark.parametrize("f", SMOOTH)
def test_other_interpreters(f):
    x = rng.normal(size=(3, 2, 8, 4, 6))
    one = lambda x: pb.sum(pb.sin(f(x)))
    loop = np.stack([np.asarray(pb.grad(one)(part)) for part in x])
    np.testing.assert_allclose(np.asarray(pb.vmap(pb.grad(one))(x)), loop, rtol=1e-12, atol=1e-13)
    traced = pb.trace(pb.grad(one))
    for _ in range(2):
        np.testing.assert_array_equal(np.asarray(traced(x[0])), np.asarray(pb.grad(one)(x[0])))
    v, h = rng.normal(size=x[0].shape), 1e-6
    second = np.asarray(pb.jvp(pb.grad(one), (x[0],), (v,))[1])
    numeric = (np.asarray(pb.grad(one)(x[0] + h * v)) - np.asarray(pb.grad(one)(x[0] - h * v))) / (2 * h)
    np.testing.assert_allclose(second, numeric, rtol=1e-6, atol=1e-7)
    view = np.repeat(x[0], 2, axis=-1)[..., ::2]
    view.flags.writeable = False
    np.testing.assert_array_equal(np.asarray(f(view)), np.asarray(f(x[0])))
