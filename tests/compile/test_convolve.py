"""Emitted convolutions and both their gradients against sums over taps in double precision, and against PyTorch."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite")

import pullback as pb
from pullback.compile.emit import convolve_weight, correlate
from pullback.compile.emit.convolve import Convolution, emit_convolution, emit_convolution_input
from pullback.compile.emit.convolve_weight import emit_convolution_weight
from pullback.compile.emit.function import Module
from pullback.compile.emit.machine import compile_text, narrowed
from pullback.compile.emit.types import DOUBLE, FLOAT

TARGETS = ["avx512", "avx2", "scalar"]
EMIT = {"forward": emit_convolution, "input": emit_convolution_input, "weight": emit_convolution_weight}


@st.composite
def convolutions(draw, type=FLOAT):
    axes = draw(st.integers(1, 3))
    groups = draw(st.sampled_from([1, 1, 2, 3]))

    def each(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(axes))

    size, kernel, stride, dilation = each(1, (40, 13, 7)[axes - 1]), each(1, 4), each(1, 3), each(1, 2)
    padding = tuple(zip(each(-1, 3), each(-1, 3), strict=True))
    channels, outputs = groups * draw(st.integers(1, 20)), groups * draw(st.integers(1, 40))
    if draw(st.integers(0, 4)) == 0:
        groups = channels = outputs
    images = draw(st.integers(1, 3))
    assume(all(n + sum(p) >= d * (k - 1) + 1 for n, p, d, k in zip(size, padding, dilation, kernel, strict=True)))
    return Convolution(images, size, channels, outputs, kernel, stride, padding, dilation, groups, type)


def operands(work, seed, dtype=np.float32):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((work.images, *work.size, work.channels)).astype(dtype)
    w = rng.standard_normal((*work.kernel, work.channels // work.groups, work.outputs)).astype(dtype)
    y = rng.standard_normal((work.images, *work.counts, work.outputs)).astype(dtype)
    return x, w, y


def windows(work):
    """Yield each tap with the slices of the image that is padded as far as any padding goes, before and behind."""
    for tap in itertools.product(*(range(k) for k in work.kernel)):
        places = []
        for k, count, s, d, (before, _) in zip(tap, work.counts, work.stride, work.dilation, work.padding, strict=True):
            start = 8 - before + k * d
            places.append(slice(start, start + (count - 1) * s + 1, s))
        yield tap, (slice(None), *places)


def expected(work, which, x, w, y):
    """Return the result in double precision, and a bound on each element's error in units of the last place."""
    x, w, y = (a.astype(np.float64) for a in (x, w, y))
    margins = ((0, 0), *(((8, 8),) * len(work.size)), (0, 0))
    inner = (slice(None), *(slice(8, 8 + n) for n in work.size))
    results = []
    for a, b, c in ((x, w, y), (np.abs(x), np.abs(w), np.abs(y))):
        whole = np.pad(a, margins)
        found = {"forward": np.zeros(c.shape), "input": np.zeros(whole.shape), "weight": np.zeros(b.shape)}[which]
        for g in range(work.groups):
            into = slice(g * (work.channels // work.groups), (g + 1) * (work.channels // work.groups))
            out = slice(g * (work.outputs // work.groups), (g + 1) * (work.outputs // work.groups))
            for tap, window in windows(work):
                seen, weight = whole[window][..., into], b[tap][:, out]
                if which == "forward":
                    found[..., out] += seen @ weight
                elif which == "input":
                    found[window][..., into] += c[..., out] @ weight.T
                else:
                    axes = tuple(range(seen.ndim - 1))
                    found[tap][:, out] += np.tensordot(seen, c[..., out], (axes, axes))
        results.append(found[inner] if which == "input" else found)
    return results


def places(which, x, w, y):
    """Return the shape of the result, and the two operands, in the kernel's order."""
    return {"forward": (y, x, w), "input": (x, y, w), "weight": (w, x, y)}[which]


def check(emitted, kind, work, which, seed, cut=0.5):
    kernel, run = emitted.compiled(kind, EMIT[which], work)
    dtype = np.float64 if work.type is DOUBLE else np.float32
    arrays = operands(work, seed, dtype)
    like, *given = places(which, *arrays)
    a, b = (emitted.Guarded(values, dtype) for values in given)
    c = emitted.Guarded(np.full(like.shape, 9.0), dtype)
    run(c, a, b)
    wanted, size = expected(work, which, *arrays)
    terms = np.prod(work.counts) * work.images if which == "weight" else np.prod(work.kernel) * work.outputs
    assert (np.abs(c.array - wanted) <= (terms + work.channels) * np.finfo(dtype).eps * size).all()
    assert kernel.flops == work.flops

    half = round(cut * kernel.units)
    again = emitted.Guarded(np.full(like.shape, 9.0), dtype)
    run(again, a, b, 0, half)
    run(again, a, b, half, kernel.units)
    assert (again.array == c.array).all(), "splitting the work changed the result"


@pytest.mark.parametrize("which", EMIT)
@settings(max_examples=60, deadline=None)
@given(work=convolutions(), seed=st.integers(0, 1000), cut=st.floats(0, 1), kind=st.sampled_from(TARGETS))
def test_every_shape_stride_padding_dilation_and_group(emitted, which, work, seed, cut, kind):
    check(emitted, kind, work, which, seed, cut)


@pytest.mark.parametrize("which", EMIT)
@pytest.mark.parametrize("kind", TARGETS)
def test_each_channel_by_itself(emitted, which, kind):
    work = Convolution(2, (9, 10), 37, 37, (3, 3), (1, 2), ((1, 1), (1, 1)), (1, 1), 37)
    assert work.lanewise
    check(emitted, kind, work, which, 3)


@pytest.mark.parametrize("which", EMIT)
@settings(max_examples=15, deadline=None)
@given(work=convolutions(DOUBLE), seed=st.integers(0, 1000), kind=st.sampled_from(TARGETS))
def test_double_precision(emitted, which, work, seed, kind):
    check(emitted, kind, work, which, seed)


@pytest.mark.parametrize("which", EMIT)
@settings(max_examples=15, deadline=None)
@given(work=convolutions(), seed=st.integers(0, 1000), kind=st.sampled_from(TARGETS))
def test_images_in_blocks_and_weights_in_parts(emitted, which, work, seed, kind):
    """What only large images and many channels need happens here at any size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(correlate, "NEAR", 1 << 9)
        patch.setattr(convolve_weight, "NEAR", 1 << 9)
        patch.setattr(correlate, "FAR", 1 << 7)
        check(emitted, kind, work, which, seed)


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("parts", [False, True])
@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize(("which", "finite"), [("forward", True), ("input", True), ("input", False)])
def test_the_epilogue_sees_each_position_and_channel_once(emitted, kind, parts, stride, which, finite, monkeypatch):
    def number(f, vector, row, column, lanes, table):
        total = f.add(vector, f.load(vector.type, f.at(table, column), lanes))
        place = f.value(FLOAT, f"uitofp i64 {row} to float")
        return f.add(total, f.spread(f.mul(place, f.constant(place, 100)), vector.type.lanes))

    if parts:
        monkeypatch.setattr(correlate, "FAR", 1 << 7)
        monkeypatch.setattr(correlate, "NEAR", 1 << 12)
    work = Convolution(2, (9, 11), 6, 20, (3, 3), (stride, stride), ((1, 1), (1, 2)), (1, 1), 2)
    arrays = operands(work, 1)
    if not finite:
        arrays[1][0, 2, 1, 3] = np.inf
    like, *given = places(which, *arrays)
    bias = np.random.default_rng(2).standard_normal(like.shape[-1]).astype(np.float32)
    _, run = emitted.compiled(kind, EMIT[which], work, number)
    c, a, b, table = (emitted.Guarded(values) for values in (np.zeros(like.shape), *given, bias))
    run(c, a, b, table=table)
    with np.errstate(invalid="ignore"):
        wanted, _ = expected(work, which, *arrays)
    positions = np.arange(np.prod(like.shape[:-1])).reshape(*like.shape[:-1], 1)
    np.testing.assert_allclose(c.array, wanted + bias + 100.0 * positions, rtol=1e-6, atol=2e-3)


@pytest.mark.parametrize("kind", TARGETS)
def test_the_gradient_of_weights_can_be_added_to_what_is_there(emitted, kind):
    work = Convolution(3, (7, 6), 3, 5, (3, 3), (1, 1), ((1, 1), (0, 2)), (1, 1))
    x, w, y = operands(work, 4)
    _, run = emitted.compiled(kind, emit_convolution_weight, work, True)
    c = emitted.Guarded(w)
    run(c, emitted.Guarded(x), emitted.Guarded(y))
    wanted, _ = expected(work, "weight", x, w, y)
    np.testing.assert_allclose(c.array, wanted + w, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("which", EMIT)
def test_nan_and_infinity_reach_what_they_touch(emitted, which):
    work = Convolution(2, (6, 7), 5, 18, (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1))
    x, w, y = operands(work, 5)
    like, first, second = places(which, x, w, y)
    first[1, 2, 3, 4], first[0, 1, 0, 3] = np.nan, np.inf
    second[1, 2, 0, 1] = -np.inf
    _, run = emitted.compiled("avx512", EMIT[which], work)
    c = emitted.Guarded(np.zeros(like.shape))
    run(c, emitted.Guarded(first), emitted.Guarded(second))
    with np.errstate(invalid="ignore"):
        wanted, _ = expected(work, which, x, w, y)
    # Where a weight of ∞ meets the zeros of the padding it is NaN here and in PyTorch, as 0·∞ is.
    assert (np.isfinite(c.array) == np.isfinite(wanted)).all()
    assert (np.isnan(c.array) == np.isnan(wanted)).all()


@pytest.mark.parametrize("blocks", [False, True])
@pytest.mark.parametrize("which", EMIT)
@settings(max_examples=40, deadline=None)
@given(
    work=st.one_of(convolutions(), convolutions(DOUBLE)),
    seed=st.integers(0, 1000),
    kind=st.sampled_from(TARGETS),
    cut=st.floats(0, 1),
)
def test_nothing_beyond_the_edges_meets_a_weight_that_is_not_finite(emitted, which, blocks, work, seed, kind, cut):
    rng = np.random.default_rng(seed)
    dtype = np.float64 if work.type is DOUBLE else np.float32
    x, w, y = operands(work, seed, dtype)
    like, first, second = places(which, x, w, y)
    second.flat[rng.integers(second.size, size=2)] = rng.choice([np.inf, -np.inf, np.nan], 2)
    first.flat[rng.integers(first.size, size=rng.integers(2))] = np.nan
    with pytest.MonkeyPatch.context() as patch:
        if blocks:
            patch.setattr(correlate, "NEAR", 1 << 9)
            patch.setattr(correlate, "FAR", 1 << 7)
        kernel, run = emitted.compiled(kind, EMIT[which], work)
    c = emitted.Guarded(np.full(like.shape, 9.0), dtype)
    half = round(cut * kernel.units)
    run(c, emitted.Guarded(first, dtype), emitted.Guarded(second, dtype), 0, half)
    run(c, emitted.Guarded(first, dtype), emitted.Guarded(second, dtype), half, kernel.units)
    with np.errstate(invalid="ignore"):
        wanted, _ = expected(work, which, x, w, y)
    np.testing.assert_allclose(c.array, wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("which", EMIT)
def test_it_equals_pytorch(emitted, which):
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
    work = Convolution(2, (13, 14), 8, 36, (3, 5), (2, 1), ((1, 1), (2, 2)), (1, 2), 4)
    x, w, y = operands(work, 6)
    leaves = [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in (x, w)]
    images, weights = leaves[0].permute(0, 3, 1, 2), leaves[1].permute(3, 2, 0, 1)
    found = torch.nn.functional.conv2d(images, weights, None, work.stride, (1, 2), work.dilation, work.groups)
    found = found.permute(0, 2, 3, 1)
    found.backward(torch.tensor(y, dtype=torch.float64))
    wanted = {"forward": found.detach(), "input": leaves[0].grad, "weight": leaves[1].grad}[which].numpy()
    like, *given = places(which, x, w, y)
    _, run = emitted.compiled("avx512", EMIT[which], work)
    c = emitted.Guarded(np.zeros(like.shape))
    run(c, *(emitted.Guarded(a) for a in given))
    np.testing.assert_allclose(c.array, wanted, rtol=1e-5, atol=2e-4)


@pytest.mark.parametrize("which", EMIT)
def test_an_arm_processor_gets_its_code(which):
    target = narrowed("neon")
    module = Module(target.vector_bits)
    EMIT[which](module, "kernel", Convolution(2, (9, 9), 6, 20, (3, 3), (2, 1), ((1, 1), (1, 1)), (1, 1), 2))
    module.functions["kernel"].internal = False
    assert compile_text(module.text(), target)[:4] == b"\x7fELF"


def test_what_is_no_convolution_is_refused():
    with pytest.raises(ValueError, match="3 groups must divide 4 channels and 6 outputs"):
        Convolution(1, (5,), 4, 6, (2,), (1,), ((0, 0),), (1,), 3)
    with pytest.raises(ValueError, match="at least one image, channel, output and position"):
        Convolution(1, (5,), 4, 6, (7,), (1,), ((0, 0),), (1,))


@pytest.mark.parametrize("stride", [1, 2])
def test_gradients_through_weights_that_are_not_finite_are_those_of_eager_execution(stride):
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((2, 4, 9, 8)), rng.standard_normal((5, 4, 3, 3))
    weight[1, 2, 0, 1], weight[3, 0, 2, 2] = np.inf, np.nan
    gradients = pb.grad(lambda x, weight: pb.sum(pb.conv2d(pb.tanh(x), weight, padding=1, stride=stride)), (0, 1))
    native = pb.compile(gradients)
    got, wanted = native(x, weight), gradients(x, weight)
    assert all(kernel.native for kernel in native.report().kernels)
    assert np.isinf(wanted[0].numpy()).any() and np.isnan(wanted[0].numpy()).any()
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-9, atol=1e-9)
